"""What changes as the cluster does, beside the notebook: the frame of live views, and a live table."""

from __future__ import annotations

import html
import time
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import printing, waiting
from kubechaos_helpers.api import TABLE
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.widgets import TEXT_STYLE, Background, mimebundle, show_state

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

REDRAW_SECONDS = 0.5


class LiveView:
    """HTML that one thread keeps up to date until it is settled, ``seconds`` have passed, or Stop is pressed.

    ``name`` is what it shows: a view of the same begins when the one before has ended.
    """

    def __init__(self, cluster: Cluster, name: str, seconds: float) -> None:
        import ipywidgets

        self._cluster, self._seconds, self._drawn = cluster, seconds, 0.0
        self._shown, self._state = ipywidgets.HTML(), ipywidgets.HTML()
        self._button = ipywidgets.Button(description="Stop", tooltip="Stop watching, as Ctrl+C would")
        self._button.on_click(lambda _: self._background.ask_to_stop())
        self._widget = ipywidgets.VBox([self._shown, ipywidgets.HBox([self._button, self._state])])
        show_state(self._state, "Watching.")
        self._background: Background = Background(name, self._work, seconds)

    @property
    def text(self) -> str:
        """What is shown now, and how the watch stands."""
        return f"{self._shown.value}\n{self._state.value}"

    def stop(self) -> None:
        """End the watch."""
        self._background.stop()

    def follow(self, background: Background) -> str:
        """Draw until there is nothing to wait for; the sentence to end with, if it is not the time that ended it."""
        raise NotImplementedError

    def draw(self) -> str:
        """The HTML for what is there now."""
        raise NotImplementedError

    def _work(self, background: Background) -> None:
        try:
            ending = self.follow(background) or f"Ended after {self._seconds:.0f} s."
            self._redraw(at_once=True)
        except CourseError as error:
            ending = str(error)
        show_state(self._state, "Stopped." if background.was_stopped else ending)
        self._button.disabled = True

    def _redraw(self, at_once: bool = False) -> None:
        """At most twice a second, and only what is new."""
        if not at_once and time.monotonic() < self._drawn + REDRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        drawn = self.draw()
        if drawn != self._shown.value:
            self._shown.value = drawn


class LiveTable(LiveView):
    """``kubectl get … --watch`` as a widget: until all pods are ready, the time is over, or Stop."""

    def __init__(self, cluster: Cluster, what: str, selector: str, seconds: float) -> None:
        super().__init__(cluster, f"watch {what} {selector}", seconds)
        cluster.show_command("get", what, *(["-l", selector] if selector else []), "--watch")
        self._kind, self._selector = cluster.api.kind(what), selector
        self._query = {"labelSelector": selector} if selector else {}
        self._background.start()

    def follow(self, background: Background) -> str:
        """Until all are ready."""
        api, namespace = self._cluster.api, self._cluster.namespace
        for seen in waiting.follow(
            api, self._kind, namespace, self._selector, self._seconds, lambda: background.is_over
        ):
            self._redraw()
            if self._is_settled(seen):
                return f"All {len(seen)} are ready."
        return ""

    def draw(self) -> str:
        """The table as the API server makes it."""
        path = self._kind.path(self._cluster.namespace)
        answer = self._cluster.api.request("GET", path, self._query, accept=TABLE)
        text = printing.table(answer) if answer.get("rows") else "No resources found."
        return f'<pre style="{TEXT_STYLE}; overflow-x: auto">{html.escape(text)}</pre>'

    def _is_settled(self, seen: waiting.Objects) -> bool:
        """Whether all are ready, and, of pods, no Deployment is about to make or end one."""
        if not seen or not all(map(_is_ready, seen.values())):
            return False
        return self._kind.kind != "Pod" or self._is_rolled_out()

    def _is_rolled_out(self) -> bool:
        """Whether every Deployment has been seen by its controller, and those of these pods are rolled out."""
        sets = self._cluster.objects("replicasets", self._selector)
        owners = {owner["name"] for each in sets for owner in each["metadata"].get("ownerReferences") or []}
        deployments = self._cluster.objects("deployments")
        return all(
            waiting.is_rolled_out(each) if each["metadata"]["name"] in owners else waiting.is_observed(each)
            for each in deployments
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, "A live table of what the cluster shows; run the cell to see it.")


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    is_ready = any(each["type"] in ("Ready", "Available") and each["status"] == "True" for each in conditions)
    return is_ready and not item["metadata"].get("deletionTimestamp")
