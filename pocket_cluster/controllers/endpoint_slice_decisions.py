"""Which EndpointSlices a Service is to have. Pure.

Rules: staging/src/k8s.io/endpointslice (reconciler.go, utils.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels,
    name,
    namespace,
    owner_reference,
    pod_is_ready,
    uid,
)
from pocket_cluster.api.resources import SERVICES

MOST_ENDPOINTS = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
RESERVED_LABELS = (SERVICE_NAME, MANAGED_BY, HEADLESS)
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"

PortKey = tuple[tuple[Any, ...], ...]


@dataclass(slots=True)
class Plan:
    """What to write so that the Service's slices list its pods."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """The pods on which the Service's ports have the same numbers."""

    ports: list[Object]
    endpoints: dict[tuple[str, str], Object] = field(default_factory=dict)


def plan(service: Object, pods: Iterable[Object], existing: Sequence[Object], trigger_time: str = "") -> Plan:
    """Change as few slices as possible. ``trigger_time`` is when what is told now happened, if that is known."""
    result = Plan()
    groups = _groups(service, pods)
    known: dict[PortKey, list[Object]] = {}
    for piece in existing:
        port_key = _port_key(piece.get("ports") or [])
        if not _is_owned(piece, service) or port_key not in groups:
            result.delete.append(piece)
        else:
            known.setdefault(port_key, []).append(piece)
    for port_key, group in groups.items():
        _fill(result, service, group, known.get(port_key, []))
    if len(result.delete) == len(existing) and not result.create:
        _keep_placeholder(result, service)
    _reuse_deleted(result, service)
    if is_being_deleted(service):
        result.create = []
    for piece in [*result.create, *result.update]:
        _set_trigger_time(piece, trigger_time)
    return result


# --- what there is to tell


def _groups(service: Object, pods: Iterable[Object]) -> dict[PortKey, Group]:
    groups: dict[PortKey, Group] = {}
    for pod in sorted(pods, key=name):
        if not is_listed(pod):
            continue
        ports = endpoint_ports(service, pod)
        group = groups.setdefault(_port_key(ports), Group(ports))
        group.endpoints[pod["status"]["podIP"], uid(pod)] = endpoint(service, pod)
    return groups


def is_listed(pod: Object) -> bool:
    """Has an address and has not finished (ShouldPodBeInEndpoints)."""
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def _port_key(ports: Sequence[Object]) -> PortKey:
    fields = ("name", "port", "protocol", "appProtocol")
    return tuple(sorted(tuple(str(port.get(each) or "") for each in fields) for port in ports))


def endpoint_ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; a name that the pod does not know is left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        number = target_port(port, pod)
        if number is None:
            continue
        entry = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
        if port.get("appProtocol"):
            entry["appProtocol"] = port["appProtocol"]
        found.append(entry)
    return found


def target_port(port: Object, pod: Object) -> int | None:
    """The number behind ``targetPort``, which may name a container's port (FindPort)."""
    wanted = port.get("targetPort", port["port"])
    if isinstance(wanted, int):
        return wanted
    sidecars = [each for each in pod["spec"].get("initContainers") or [] if each.get("restartPolicy") == "Always"]
    for container in [*(pod["spec"].get("containers") or []), *sidecars]:
        for declared in container.get("ports") or []:
            same_protocol = declared.get("protocol", "TCP") == port.get("protocol", "TCP")
            if declared.get("name") == wanted and same_protocol:
                return int(declared["containerPort"])
    return None


def endpoint(service: Object, pod: Object) -> Object:
    """A pod as an entry of a slice (podToEndpoint)."""
    is_terminating, serving = is_being_deleted(pod), pod_is_ready(pod)
    publishes = bool(service["spec"].get("publishNotReadyAddresses"))
    entry: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publishes or (serving and not is_terminating),
            "serving": serving,
            "terminating": is_terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)},
    }
    if pod["spec"].get("nodeName"):
        entry["nodeName"] = pod["spec"]["nodeName"]
    if shows_hostname(service, pod):
        entry["hostname"] = pod["spec"]["hostname"]
    return entry


def shows_hostname(service: Object, pod: Object) -> bool:
    return bool(pod["spec"].get("hostname")) and pod["spec"].get("subdomain") == name(service)


# --- how to tell it with few changes


def _fill(result: Plan, service: Object, group: Group, existing: Sequence[Object]) -> None:
    """Drop and refresh entries where they stand; newcomers go to slices that change anyway, then to one with room."""
    left = dict(group.endpoints)
    changed, unchanged = [], []
    for piece in existing:
        kept = [left.pop(key) for each in piece.get("endpoints") or [] if (key := _identity(each)) in left]
        wanted_labels = slice_labels(service)
        if not kept and piece.get("endpoints"):
            result.delete.append(piece)
        elif kept != (piece.get("endpoints") or []) or labels(piece) != wanted_labels:
            changed.append(_changed(piece, kept, wanted_labels))
        else:
            unchanged.append(piece)
    for piece in sorted(changed, key=lambda each: len(each["endpoints"]), reverse=True):
        _pour(left, piece)
    while left:
        roomy = _with_room(unchanged, len(left))
        if roomy is None:
            piece = _new_slice(service, group.ports)
            result.create.append(piece)
        else:
            unchanged.remove(roomy)
            piece = _changed(roomy, list(roomy.get("endpoints") or []), slice_labels(service))
            changed.append(piece)
        _pour(left, piece)
    result.update += changed


def _identity(entry: Object) -> tuple[str, str]:
    return entry["addresses"][0], (entry.get("targetRef") or {}).get("uid", "")


def _pour(left: dict[tuple[str, str], Object], piece: Object) -> None:
    for key in list(left)[: MOST_ENDPOINTS - len(piece["endpoints"])]:
        piece["endpoints"].append(left.pop(key))


def _with_room(pieces: Sequence[Object], number: int) -> Object | None:
    """The fullest slice that can take all of them (getSliceToFill)."""
    fitting = [each for each in pieces if len(each.get("endpoints") or []) + number <= MOST_ENDPOINTS]
    return max(fitting, key=lambda each: len(each.get("endpoints") or []), default=None)


def _changed(piece: Object, endpoints: list[Object], wanted_labels: dict[str, str]) -> Object:
    return {**piece, "metadata": {**piece["metadata"], "labels": wanted_labels}, "endpoints": endpoints}


def _keep_placeholder(result: Plan, service: Object) -> None:
    """A Service without pods has one empty slice."""
    only = result.delete[0] if len(result.delete) == 1 else None
    is_placeholder = only and _is_owned(only, service) and not only.get("endpoints") and not only.get("ports")
    if only and is_placeholder and labels(only) == slice_labels(service):
        result.delete = []
    else:
        result.create.append(_new_slice(service, []))


def _reuse_deleted(result: Plan, service: Object) -> None:
    """Instead of deleting one slice and creating another, change one into the other."""
    for piece in list(result.delete):
        if result.create and _is_owned(piece, service):
            new = result.create.pop()
            result.delete.remove(piece)
            result.update.append({**_changed(piece, new["endpoints"], slice_labels(service)), "ports": new["ports"]})


def _is_owned(piece: Object, service: Object) -> bool:
    references = piece["metadata"].get("ownerReferences") or []
    return any(each["uid"] == uid(service) for each in references) and not is_being_deleted(piece)


def _new_slice(service: Object, ports: list[Object]) -> Object:
    metadata = {
        "generateName": f"{name(service)}-",
        "namespace": namespace(service),
        "labels": slice_labels(service),
        "ownerReferences": [owner_reference(SERVICES, service)],
    }
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": [], "ports": ports}


def slice_labels(service: Object) -> dict[str, str]:
    """The Service's labels and those by which slices are found."""
    own = {key: value for key, value in labels(service).items() if key not in RESERVED_LABELS}
    headless = {} if has_cluster_ip(service) else {HEADLESS: ""}
    return {**own, SERVICE_NAME: name(service), MANAGED_BY: MANAGER, **headless}


def has_cluster_ip(service: Object) -> bool:
    return service["spec"].get("clusterIP") not in (None, "", "None")


def _set_trigger_time(piece: Object, trigger_time: str) -> None:
    notes = {key: value for key, value in annotations_of(piece).items() if key != TRIGGER_TIME}
    if trigger_time:
        notes[TRIGGER_TIME] = trigger_time
    metadata = {key: value for key, value in piece["metadata"].items() if key != "annotations"}
    piece["metadata"] = metadata | ({"annotations": notes} if notes else {})
