"""The cells of a pod's row: READY, STATUS, RESTARTS (printPod in pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

from datetime import datetime

from pocket_cluster.api.objects import Object, condition
from pocket_cluster.apiserver.table_text import age

ALWAYS = "Always"


def ready(pod: Object) -> str:
    """``ready/all`` of the containers, restartable init containers included."""
    status = pod.get("status") or {}
    restartable = _restartable(pod)
    statuses = [each for each in status.get("initContainerStatuses") or [] if each["name"] in restartable]
    statuses += status.get("containerStatuses") or []
    number = sum(bool(each.get("ready") and (each.get("state") or {}).get("running")) for each in statuses)
    return f"{number}/{len(pod['spec'].get('containers') or []) + len(restartable)}"


def status(pod: Object) -> str:
    """The word that tells most about the pod."""
    state = pod.get("status") or {}
    reason = state.get("reason") or state.get("phase") or ""
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initializing, reason = _initializing(pod, reason)
    if not initializing or _is_initialized(pod):
        reason = _of_containers(pod, reason)
    return _deleted(pod, reason)


def _deleted(pod: Object, reason: str) -> str:
    if not pod["metadata"].get("deletionTimestamp"):
        return reason
    if (pod.get("status") or {}).get("reason") == "NodeLost":
        return "Unknown"
    return reason if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") else "Terminating"


def _is_initialized(pod: Object) -> bool:
    found = condition(pod, "Initialized")
    return found is not None and found.get("status") == "True"


def _initializing(pod: Object, reason: str) -> tuple[bool, str]:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    restartable = _restartable(pod)
    total = len(pod["spec"].get("initContainers") or [])
    for index, each in enumerate(statuses):
        state = each.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if each["name"] in restartable and each.get("started"):
            continue
        if terminated:
            return True, "Init:" + (terminated.get("reason") or _exit(terminated))
        if waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return True, "Init:" + waiting["reason"]
        return True, f"Init:{index}/{total}"
    return False, reason


def _of_containers(pod: Object, reason: str) -> str:
    has_running = False
    for each in reversed((pod.get("status") or {}).get("containerStatuses") or []):
        state = each.get("state") or {}
        terminated = state.get("terminated")
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif terminated:
            reason = terminated.get("reason") or _exit(terminated)
        elif each.get("ready") and state.get("running"):
            has_running = True
    if reason == "Completed" and has_running:
        found = condition(pod, "Ready")
        return "Running" if found and found.get("status") == "True" else "NotReady"
    return reason


def _exit(terminated: Object) -> str:
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def restarts(pod: Object, now: datetime) -> str:
    """How often containers were restarted, and when last: ``1 (5s ago)``."""
    state = pod.get("status") or {}
    statuses = [*(state.get("initContainerStatuses") or []), *(state.get("containerStatuses") or [])]
    count = sum(each.get("restartCount", 0) for each in statuses)
    ends = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def address(pod: Object) -> str:
    addresses = (pod.get("status") or {}).get("podIPs") or []
    return addresses[0]["ip"] if addresses else "<none>"


def readiness_gates(pod: Object) -> str:
    gates = pod["spec"].get("readinessGates") or []
    if not gates:
        return "<none>"
    conditions = {each["type"]: each["status"] for each in (pod.get("status") or {}).get("conditions") or []}
    return f"{sum(conditions.get(gate['conditionType']) == 'True' for gate in gates)}/{len(gates)}"


def _restartable(pod: Object) -> set[str]:
    containers = pod["spec"].get("initContainers") or []
    return {container["name"] for container in containers if container.get("restartPolicy") == ALWAYS}
