"""Which EndpointSlices a Service is to have. Pure.

Rules: staging/src/k8s.io/endpointslice (reconciler.go, utils.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pocket_cluster.api.objects import (
    Object,
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


def wanted_slices(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Contents of the slices: ``ports`` and ``endpoints``; one empty slice when there is nobody to list."""
    groups: dict[tuple[Any, ...], list[Object]] = {}
    ports_of: dict[tuple[Any, ...], list[Object]] = {}
    for pod in sorted(pods, key=name):
        if not _is_listed(pod):
            continue
        ports = endpoint_ports(service, pod)
        identity = tuple(tuple(sorted(port.items())) for port in ports)
        ports_of[identity] = ports
        groups.setdefault(identity, []).append(endpoint(service, pod))
    slices = [
        {"ports": ports_of[identity], "endpoints": endpoints[start : start + MOST_ENDPOINTS]}
        for identity, endpoints in groups.items()
        for start in range(0, len(endpoints), MOST_ENDPOINTS)
    ]
    return slices or [{"endpoints": []}]


def _is_listed(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


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
    """The number behind ``targetPort``, which may name a container's port (pkg/api/v1/pod, FindPort)."""
    wanted = port.get("targetPort", port["port"])
    if isinstance(wanted, int):
        return wanted
    for container in pod["spec"].get("containers") or []:
        for declared in container.get("ports") or []:
            same_protocol = declared.get("protocol", "TCP") == port.get("protocol", "TCP")
            if declared.get("name") == wanted and same_protocol:
                return int(declared["containerPort"])
    return None


def endpoint(service: Object, pod: Object) -> Object:
    """A pod as an entry of a slice."""
    is_terminating = is_being_deleted(pod)
    serving = pod_is_ready(pod)
    publishes = bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publishes or (serving and not is_terminating),
            "serving": publishes or serving,
            "terminating": is_terminating,
        },
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", "name": name(pod), "namespace": namespace(pod), "uid": uid(pod)},
    }


def plan(
    service: Object, pods: Iterable[Object], existing: Sequence[Object]
) -> tuple[list[Object], list[Object], list[Object]]:
    """(to create, to update, to delete): slices with the same ports are reused, so that few objects change."""
    wanted = wanted_slices(service, pods)
    unused = [each for each in existing if not is_being_deleted(each)]
    create, update = [], []
    for content in wanted:
        kept = _closest(content, unused)
        if kept is None:
            create.append(_new_slice(service, content))
            continue
        unused.remove(kept)
        content = {**content, "endpoints": _in_known_order(content["endpoints"], kept.get("endpoints") or [])}
        changed = {**kept, **content, "metadata": {**kept["metadata"], "labels": _labels(service)}}
        if any(changed.get(part) != kept.get(part) for part in ("endpoints", "ports")) or labels(kept) != _labels(
            service
        ):
            update.append(changed)
    return create, update, unused


def _closest(content: Object, existing: Sequence[Object]) -> Object | None:
    """The slice with the most endpoints in common, of those that have these ports or none."""
    addresses = {each["addresses"][0] for each in content["endpoints"]}

    def common(piece: Object) -> int:
        return sum(each["addresses"][0] in addresses for each in piece.get("endpoints") or [])

    fitting = [piece for piece in existing if piece.get("ports") in (content.get("ports"), None)]
    if not content["endpoints"]:
        fitting = list(existing)
    return max(fitting, key=common, default=None)


def _in_known_order(endpoints: list[Object], known: list[Object]) -> list[Object]:
    """Endpoints keep their places; new ones follow."""
    places = {each["addresses"][0]: index for index, each in enumerate(known)}
    return sorted(endpoints, key=lambda each: places.get(each["addresses"][0], len(places)))


def _new_slice(service: Object, content: Object) -> Object:
    metadata = {
        "generateName": f"{name(service)}-",
        "namespace": namespace(service),
        "labels": _labels(service),
        "ownerReferences": [owner_reference(SERVICES, service)],
    }
    return {"metadata": metadata, "addressType": "IPv4", **content}


def _labels(service: Object) -> dict[str, str]:
    own = {SERVICE_NAME: name(service), MANAGED_BY: MANAGER}
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    return {**labels(service), **own, **headless}
