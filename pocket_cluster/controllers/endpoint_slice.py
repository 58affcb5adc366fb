"""The EndpointSlice controller: who is behind each Service, kept up to date (pkg/controller/endpointslice)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.api.objects import Object, key, labels, name, namespace
from pocket_cluster.api.resources import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from pocket_cluster.api.selectors import from_map
from pocket_cluster.controllers import endpoint_slice_decisions as decisions
from pocket_cluster.controllers.controller import Controller, ignore_missing


class ServiceController(Controller):
    """Base of the two controllers that list a Service's pods: told of Services and of the pods that they select."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.services = self.informers.of(SERVICES)
        self.pods = self.informers.of(PODS)
        self.services.add_handler(self.enqueue)
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, _event: str, pod: Object, old: Object | None) -> None:
        for service in self.services.by_namespace(namespace(pod)):
            selector = from_map(service["spec"].get("selector"))
            if selector.matches(labels(pod)) or (old and selector.matches(labels(old))):
                self.queue.add(key(service))

    def selected_pods(self, service: Object) -> Iterator[Object]:
        selector = from_map(service["spec"].get("selector"))
        return (pod for pod in self.pods.by_namespace(namespace(service)) if selector.matches(labels(pod)))


class EndpointSliceController(ServiceController):
    name = "endpoint-slice"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.slices = self.informers.of(ENDPOINT_SLICES)
        self.slices.add_handler(self._slice_changed)

    def _slice_changed(self, _event: str, piece: Object, _old: Object | None) -> None:
        if labels(piece).get(decisions.MANAGED_BY) == decisions.MANAGER:
            self.queue.add(f"{namespace(piece)}/{labels(piece).get(decisions.SERVICE_NAME, '')}")

    async def reconcile(self, key: str) -> None:
        service = self.services.items.get(key)
        if service is None or not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return  # the garbage collector removes the slices of a Service that is gone
        existing = [
            piece
            for piece in self.slices.by_namespace(namespace(service))
            if labels(piece).get(decisions.SERVICE_NAME) == name(service)
            and labels(piece).get(decisions.MANAGED_BY) == decisions.MANAGER
        ]
        create, update, delete = decisions.plan(service, self.selected_pods(service), existing)
        for piece in create:
            created = await self.client.create(ENDPOINT_SLICES, piece, namespace(service))
            self.slices.remember(created)
        for piece in update:
            self.slices.remember(await self.client.update(ENDPOINT_SLICES, piece))
        for piece in delete:
            await ignore_missing(self.client.delete(ENDPOINT_SLICES, name(piece), namespace(piece)))


class EndpointsController(ServiceController):
    """Keeps the older Endpoints objects too, as real clusters still do (pkg/controller/endpoint)."""

    name = "endpoint"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.endpoints = self.informers.of(ENDPOINTS)

    async def reconcile(self, key: str) -> None:
        service, current = self.services.items.get(key), self.endpoints.items.get(key)
        if service is None:
            if current and labels(current).get(MANAGED_LABEL):
                await ignore_missing(self.client.delete(ENDPOINTS, name(current), namespace(current)))
            return
        if not service["spec"].get("selector"):
            return
        subsets = _subsets(service, self.selected_pods(service))
        wanted_labels = {**labels(service), MANAGED_LABEL: "endpoint-controller"}
        metadata = {"name": name(service), "namespace": namespace(service), "labels": wanted_labels}
        wanted: Object = {"metadata": metadata} | ({"subsets": subsets} if subsets else {})
        if current is None:
            self.endpoints.remember(await self.client.create(ENDPOINTS, wanted, namespace(service)))
        elif current.get("subsets", []) != subsets or labels(current) != wanted_labels:
            metadata["resourceVersion"] = current["metadata"]["resourceVersion"]
            self.endpoints.remember(await self.client.update(ENDPOINTS, wanted))


MANAGED_LABEL = "endpoints.kubernetes.io/managed-by"


def _subsets(service: Object, pods: Iterator[Object]) -> list[Object]:
    """Addresses grouped by their ports, ready and not ready apart."""
    subsets: dict[tuple[Any, ...], Object] = {}
    for piece in decisions.wanted_slices(service, pods):
        for endpoint in piece["endpoints"]:
            ports = [{field: value for field, value in port.items() if value} for port in piece["ports"]]
            subset = subsets.setdefault(tuple(str(port) for port in ports), {"ports": ports})
            conditions = endpoint["conditions"]
            if conditions["terminating"] and not conditions["ready"]:
                continue
            place = "addresses" if conditions["ready"] else "notReadyAddresses"
            address = {field: endpoint[field] for field in ("nodeName", "targetRef")}
            subset.setdefault(place, []).append({"ip": endpoint["addresses"][0], **address})
    return [subset for subset in subsets.values() if subset.get("addresses") or subset.get("notReadyAddresses")]
