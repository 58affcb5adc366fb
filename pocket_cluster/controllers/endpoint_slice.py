"""The EndpointSlice controller: who is behind each Service, kept up to date (pkg/controller/endpointslice)."""

from __future__ import annotations

from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, labels, name, namespace
from pocket_cluster.api.resources import ENDPOINT_SLICES
from pocket_cluster.controllers.controller import ignore_missing, is_terminating
from pocket_cluster.controllers.endpoint_slice_decisions import MANAGED_BY, MANAGER, SERVICE_NAME, Plan, plan
from pocket_cluster.controllers.service_pods import ServicePodsController


class EndpointSliceController(ServicePodsController):
    name = "endpoint-slice"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.slices = self.informers.of(ENDPOINT_SLICES)
        self.slices.add_handler(self._slice_changed)

    def _slice_changed(self, _event: str, piece: Object, _old: Object | None) -> None:
        if labels(piece).get(MANAGED_BY) == MANAGER:
            self.queue.add(f"{namespace(piece)}/{labels(piece).get(SERVICE_NAME, '')}")

    async def reconcile(self, key: str) -> None:
        service = self.services.items.get(key)
        if service is None or not self.lists_pods(service):
            return  # the garbage collector removes the slices of a Service that is gone
        existing = [piece for piece in self.slices.by_namespace(namespace(service)) if _is_about(piece, service)]
        pods = self.selected_pods(service)
        await self._carry_out(service, plan(service, pods, existing, self.trigger_times.observe(service, pods)))

    async def _carry_out(self, service: Object, changes: Plan) -> None:
        for piece in changes.create:
            try:
                self.slices.remember(await self.client.create(ENDPOINT_SLICES, piece, namespace(service)))
            except ApiError as error:
                if is_terminating(error):
                    return
                raise
        for piece in changes.update:
            self.slices.remember(await self.client.update(ENDPOINT_SLICES, piece))
        for piece in changes.delete:
            await ignore_missing(self.client.delete(ENDPOINT_SLICES, name(piece), namespace(piece)))


def _is_about(piece: Object, service: Object) -> bool:
    return labels(piece).get(SERVICE_NAME) == name(service) and labels(piece).get(MANAGED_BY) == MANAGER
