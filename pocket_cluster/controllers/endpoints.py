"""The Endpoints controller: the older form of EndpointSlices, still kept (pkg/controller/endpoint)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels,
    name,
    namespace,
    pod_is_ready,
    uid,
)
from pocket_cluster.api.resources import ENDPOINTS
from pocket_cluster.controllers.controller import ignore_missing, is_terminating
from pocket_cluster.controllers.endpoint_slice_decisions import (
    HEADLESS,
    TRIGGER_TIME,
    has_cluster_ip,
    is_listed,
    shows_hostname,
    target_port,
)
from pocket_cluster.controllers.service_pods import ServicePodsController

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


class EndpointsController(ServicePodsController):
    name = "endpoint"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.endpoints = self.informers.of(ENDPOINTS)
        self.endpoints.add_handler(self.enqueue)

    async def reconcile(self, key: str) -> None:
        service, current = self.services.items.get(key), self.endpoints.items.get(key)
        if service is None:
            if current and labels(current).get(MANAGED_BY) == MANAGER:
                await ignore_missing(self.client.delete(ENDPOINTS, name(current), namespace(current), uid=uid(current)))
            return
        if not self.lists_pods(service):
            return
        pods = self.selected_pods(service)
        wanted = wanted_endpoints(service, pods, current, self.trigger_times.observe(service, pods))
        if wanted is not None:
            await self._write(wanted, current is None)

    async def _write(self, wanted: Object, is_new: bool) -> None:
        try:
            call = self.client.create if is_new else self.client.update
            self.endpoints.remember(await call(ENDPOINTS, wanted))
        except ApiError as error:
            if not is_terminating(error):
                raise


def wanted_endpoints(
    service: Object, pods: Iterable[Object], current: Object | None, trigger_time: str = ""
) -> Object | None:
    """The Endpoints object to write, None when the current one tells the same already."""
    found = subsets(service, pods)
    wanted_labels = {key: value for key, value in labels(service).items() if key != HEADLESS}
    wanted_labels |= {MANAGED_BY: MANAGER} | ({} if has_cluster_ip(service) else {HEADLESS: ""})
    if current and (current.get("subsets") or []) == found and labels(current) == wanted_labels:
        return None
    notes = {key: value for key, value in annotations_of(current or {}).items() if key != TRIGGER_TIME}
    if trigger_time:
        notes[TRIGGER_TIME] = trigger_time
    metadata: Object = {"name": name(service), "namespace": namespace(service)}
    if current:
        metadata = {key: value for key, value in current["metadata"].items() if key != "annotations"}
    metadata |= {"labels": wanted_labels} | ({"annotations": notes} if notes else {})
    return {"metadata": metadata} | ({"subsets": found} if found else {})


def subsets(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Ports that the same pods serve stand together; ready and not ready addresses apart (RepackSubsets)."""
    publishes = bool(service["spec"].get("publishNotReadyAddresses"))
    listed = [pod for pod in sorted(pods, key=name) if is_listed(pod) and (publishes or not is_being_deleted(pod))]
    behind: dict[tuple[Any, ...], list[Object]] = {}
    for pod in listed:
        for port in _ports(service, pod):
            behind.setdefault(port, []).append(pod)
    together: dict[tuple[str, ...], tuple[list[Object], list[tuple[Any, ...]]]] = {}
    for port, members in behind.items():
        together.setdefault(tuple(map(uid, members)), (members, []))[1].append(port)
    return [_subset(service, members, ports, publishes) for members, ports in together.values()]


def _ports(service: Object, pod: Object) -> list[tuple[Any, ...]]:
    ports = service["spec"].get("ports") or []
    found = [(port, target_port(port, pod)) for port in ports]
    if not ports and not has_cluster_ip(service):
        return [()]  # a headless Service need not have ports
    return [
        (port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", ""))
        for port, number in found
        if number is not None
    ]


def _subset(service: Object, pods: list[Object], ports: list[tuple[Any, ...]], publishes: bool) -> Object:
    ready = [_address(service, pod) for pod in pods if publishes or pod_is_ready(pod)]
    others = [_address(service, pod) for pod in pods if not (publishes or pod_is_ready(pod))]
    told = [
        {field: value for field, value in zip(("name", "port", "protocol", "appProtocol"), port, strict=True) if value}
        for port in ports
        if port
    ]
    parts = {"addresses": ready, "notReadyAddresses": others, "ports": told}
    return {part: items for part, items in parts.items() if items}


def _address(service: Object, pod: Object) -> Object:
    address: Object = {"ip": pod["status"]["podIP"]}
    if shows_hostname(service, pod):
        address["hostname"] = pod["spec"]["hostname"]
    if pod["spec"].get("nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    target = {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)}
    return address | {"targetRef": target}
