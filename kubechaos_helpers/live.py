"""A table that changes as the cluster does, beside the notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import printing, waiting
from kubechaos_helpers.api import TABLE
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.widgets import TEXT_STYLE, Background, mimebundle

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster


class LiveTable:
    """``kubectl get … --watch`` as a widget: until all pods are ready, the time is over, or Stop."""

    def __init__(self, cluster: Cluster, what: str, selector: str, seconds: float) -> None:
        import ipywidgets

        printing.command("kubectl", "get", what, *(["-l", selector] if selector else []), "--watch")
        self._cluster, self._kind, self._selector = cluster, cluster.api.kind(what), selector
        self._seconds = seconds
        self._table = ipywidgets.HTML()
        self._state = ipywidgets.HTML("Watching.")
        self._button = ipywidgets.Button(description="Stop", tooltip="Stop watching, as Ctrl+C would")
        self._button.on_click(lambda _: self.stop())
        self._widget = ipywidgets.VBox([self._table, ipywidgets.HBox([self._button, self._state])])
        self._background: Background = Background(f"watch {what} {selector}", self._follow, seconds)
        self._background.start()

    def stop(self) -> None:
        """End the watch."""
        self._background.stop()

    def _follow(self, background: Background) -> None:
        try:
            self._follow_until_ready(background)
        except CourseError as error:
            self._end(str(error))

    def _follow_until_ready(self, background: Background) -> None:
        cluster, selector = self._cluster, self._selector
        states = waiting.follow(
            cluster.api, self._kind, cluster.namespace, selector, self._seconds, lambda: background.is_over
        )
        for seen in states:
            self._draw()
            if seen and all(map(_is_ready, seen.values())):
                self._end(f"All {len(seen)} are ready.")
                return
        self._end("Stopped." if background.was_stopped else f"Ended after {self._seconds:.0f} s.")

    def _draw(self) -> None:
        query = {"labelSelector": self._selector} if self._selector else {}
        answer = self._cluster.api.request("GET", self._kind.path(self._cluster.namespace), query, accept=TABLE)
        text = printing.table(answer) if answer.get("rows") else "No resources found."
        self._table.value = f'<pre style="{TEXT_STYLE}">{html.escape(text)}</pre>'

    def _end(self, sentence: str) -> None:
        self._state.value = html.escape(sentence)
        self._button.disabled = True

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, "A live table of what the cluster shows; run the cell to see it.")


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    is_ready = any(each["type"] in ("Ready", "Available") and each["status"] == "True" for each in conditions)
    return is_ready and not item["metadata"].get("deletionTimestamp")
