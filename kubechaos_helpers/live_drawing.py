"""A drawing of a Service, its EndpointSlice and its pods that changes as the cluster does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubechaos_helpers import drawing, endpoints, waiting
from kubechaos_helpers.live import LiveView
from kubechaos_helpers.widgets import Background, mimebundle
from kubechaos_helpers.wiring import Wiring, wire

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster


class LiveDrawing(LiveView):
    """What a Service leads to, until ``seconds`` have passed or Stop is pressed.

    A kept notebook has the table and the reading of the moment when its cell ran.
    """

    def __init__(self, cluster: Cluster, service: str, seconds: float) -> None:
        super().__init__(cluster, f"draw {service}", seconds)
        self._service = service
        cluster.read("service", service)  # a name that does not exist is an error now, and a drawing later
        cluster.show_command("get", "services,endpointslices,pods", "--show-labels")
        first = self._look()
        self._kept = f"{first.table()}\n\n{first.reading()}".strip()
        self._shown.value = drawing.draw(first)
        self._background.start()

    def follow(self, background: Background) -> str:
        """Look whenever a pod changes, and once a second, since a Service or its slices may have changed alone."""
        api, namespace = self._cluster.api, self._cluster.namespace
        for _ in waiting.follow(api, api.kind("pods"), namespace, "", self._seconds, lambda: background.is_over):
            self._redraw()
        return ""

    def draw(self) -> str:
        """The picture of what is there now."""
        return drawing.draw(self._look())

    def _look(self) -> Wiring:
        api, namespace = self._cluster.api, self._cluster.namespace
        slices = self._cluster.objects("endpointslices", endpoints.selector_of_slices(self._service))
        service = api.find(api.kind("services").path(namespace, self._service))
        return wire(self._service, service, slices, self._cluster.objects("pods"))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, self._kept)
