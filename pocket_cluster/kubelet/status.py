"""A pod's status as the API shows it: a pure function of what its containers do (pkg/kubelet/status/generate.go)."""

from __future__ import annotations

import copy
from typing import NamedTuple

from pocket_cluster.api.objects import Object, now, set_condition
from pocket_cluster.kubelet.container_record import ContainerRecord, full_id
from pocket_cluster.kubelet.decisions import Records, incomplete, phase

HOST_ADDRESS = "127.0.0.1"


class Situation(NamedTuple):
    """What a status depends on beside the containers. ``ending``: nothing of the pod will be started again;
    ``reason``: why it failed as a whole.
    """

    address: str = ""
    ending: bool = False
    reason: str = ""
    message: str = ""


def next_status(pod: Object, records: Records, situation: Situation) -> Object:
    """The whole status; conditions keep the time of their last transition, and those of others are kept."""
    stage = "Failed" if situation.reason else phase(pod, records, situation.ending)
    old = pod.get("status") or {}
    status: Object = {
        "phase": stage,
        "conditions": _conditions(pod, records, stage, bool(situation.address)),
        "hostIP": HOST_ADDRESS,
        "hostIPs": [{"ip": HOST_ADDRESS}],
        "startTime": old.get("startTime") or now(),
        "containerStatuses": [_container_status(r) for r in records.values() if r.kind == "regular"],
    }
    initial = [_container_status(record) for record in records.values() if record.kind != "regular"]
    if initial:
        status["initContainerStatuses"] = initial
    if situation.address:
        status |= {"podIP": situation.address, "podIPs": [{"ip": situation.address}]}
    generation = (pod.get("metadata") or {}).get("generation")
    if generation:
        status["observedGeneration"] = generation
    if situation.reason:
        status |= {"reason": situation.reason, "message": situation.message}
    return status


def _container_status(record: ContainerRecord) -> Object:
    running = record.process == "running"
    ready = record.is_done if record.kind == "init" else running and record.ready
    status: Object = {
        "name": record.name,
        "image": record.image or record.spec["image"],
        "imageID": record.image_id,
        "state": record.state,
        "lastState": record.last_state,
        "ready": ready,
        "started": running and record.started,
        "restartCount": record.attempt,
    }
    if record.id:
        status["containerID"] = full_id(record.id)
    if running:
        status["resources"] = copy.deepcopy(record.spec.get("resources") or {})
    mounts = record.spec.get("volumeMounts")
    if mounts:
        status["volumeMounts"] = [_mount_status(mount) for mount in mounts]
    return status


def _mount_status(mount: Object) -> Object:
    shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return shown | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {})


# --- conditions


def _conditions(pod: Object, records: Records, stage: str, has_address: bool) -> list[Object]:
    """In the order of a real kubelet: its own, then what others wrote."""
    finished = stage in ("Succeeded", "Failed")
    ready = _readiness(pod, records, stage)
    fresh = [
        {"type": "PodReadyToStartContainers", **_truth(has_address and not finished)},
        {"type": "Initialized", **_initialization(records, stage)},
        {"type": "Ready", **_with_gates(pod, ready)},
        {"type": "ContainersReady", **ready},
    ]
    old = (pod.get("status") or {}).get("conditions") or []
    merged = old
    for condition in fresh:
        merged = set_condition(merged, _complete(pod, condition))
    by_type = {condition["type"]: condition for condition in merged}
    scheduled = by_type.get("PodScheduled") or _complete(pod, {"type": "PodScheduled", **_truth(True)})
    own = [*(by_type[condition["type"]] for condition in fresh), _complete(pod, scheduled)]
    named = {condition["type"] for condition in own}
    return [*own, *(condition for condition in merged if condition["type"] not in named)]


def _complete(pod: Object, condition: Object) -> Object:
    generation = (pod.get("metadata") or {}).get("generation")
    observed = {"observedGeneration": generation} if generation else {}
    return {"lastProbeTime": None, "lastTransitionTime": now(), **observed, **condition} | observed


def _truth(value: bool, reason: str = "", message: str = "") -> Object:
    shown = {"status": "True" if value else "False", "reason": reason, "message": message}
    return {field: text for field, text in shown.items() if text}


def _initialization(records: Records, stage: str) -> Object:
    names = incomplete(records)
    if stage == "Succeeded":
        return _truth(True, "PodCompleted")
    if names:
        message = f"containers with incomplete status: [{' '.join(names)}]"
        return _truth(False, "ContainersNotInitialized", message)
    return _truth(True)


def _readiness(pod: Object, records: Records, stage: str) -> Object:
    if stage in ("Succeeded", "Failed"):
        return _truth(False, "PodCompleted" if stage == "Succeeded" else "PodFailed")
    lasting = [record for record in records.values() if record.kind != "init"]
    unready = [record.name for record in lasting if not (record.process == "running" and record.ready)]
    if unready:
        return _truth(False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    return _truth(True)


def _with_gates(pod: Object, ready: Object) -> Object:
    """Ready also needs the conditions that the pod's readinessGates name."""
    conditions = {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or []}
    for gate in pod["spec"].get("readinessGates") or []:
        found = conditions.get(gate["conditionType"])
        if ready["status"] == "True" and (found is None or found["status"] != "True"):
            what = "does not exist" if found is None else f'is "{found["status"]}", instead of "True"'
            message = f'corresponding condition of pod readiness gate "{gate["conditionType"]}" {what}.'
            return _truth(False, "ReadinessGatesNotReady", message)
    return ready
