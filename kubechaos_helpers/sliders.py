"""Replica sliders: they scale the real Deployments, and a chart shows the split while traffic flows."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubechaos_helpers.chart import show_split
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.running_probe import RunningProbe
from kubechaos_helpers.visits import Visits
from kubechaos_helpers.widgets import TEXT_STYLE, Background, mimebundle

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

# Fresh connections a second, and of how many seconds the chart tells.
RATE, WINDOW = 40.0, 5.0
REDRAW_SECONDS = 0.5


class ReplicaSliders:
    """A slider and a number field for each Deployment. One worker scales, to the latest wanted value only."""

    def __init__(self, cluster: Cluster, deployments: Sequence[str], service: str, most: int, seconds: float) -> None:
        import ipywidgets

        self._cluster, self._service, self._seconds = cluster, service, seconds
        self._wanted: dict[str, int] = {}
        self._lock = threading.Lock()
        self._shown: dict[str, int] = {name: _replicas(cluster.read("deployment", name)) for name in deployments}
        self.sliders = {name: self._slider(name, most) for name in deployments}
        self._state = ipywidgets.HTML()
        self._chart = ipywidgets.HTML("The chart appears when the first visitors have been served.")
        self._button = ipywidgets.Button(description="Stop", tooltip="Stop the traffic and the chart")
        self._button.on_click(lambda _: self.stop())
        rows = [ipywidgets.HBox([slider, self._number(slider)]) for slider in self.sliders.values()]
        self._widget = ipywidgets.VBox([*rows, ipywidgets.HBox([self._button, self._state]), self._chart])
        self._background: Background = Background(f"sliders {service}", self._work, seconds)
        self._background.start()

    def __getitem__(self, deployment: str) -> Any:
        """The slider of a Deployment; setting its ``value`` is moving it."""
        return self.sliders[deployment]

    def stop(self) -> None:
        """End the traffic and the chart; the Deployments stay as they are."""
        self._background.stop()

    def _slider(self, name: str, most: int) -> Any:
        import ipywidgets

        slider = ipywidgets.IntSlider(
            value=self._shown[name],
            min=0,
            max=max(most, self._shown[name]),
            description=name,
            continuous_update=False,
            style={"description_width": "12em"},
            layout={"width": "28em"},
        )
        slider.observe(lambda change: self._want(name, change["new"]), "value")
        return slider

    def _number(self, slider: Any) -> Any:
        import ipywidgets

        number = ipywidgets.BoundedIntText(
            value=slider.value,
            min=slider.min,
            max=slider.max,
            description="replicas",
            layout={"width": "11em"},
            tooltip=f"Replicas of {slider.description}",
        )
        ipywidgets.link((slider, "value"), (number, "value"))
        return number

    def _want(self, name: str, replicas: int) -> None:
        """Called on any thread: only note what is wanted now."""
        with self._lock:
            if self._shown.get(name) != replicas:
                self._wanted[name] = replicas

    # --- the worker

    def _work(self, background: Background) -> None:
        running: RunningProbe | None = None
        options: dict[str, Any] = {
            "visitors": 1,
            "requests": 0,
            "keep_alive": False,
            "rate": RATE,
            "duration": self._seconds,
        }
        try:
            running = self._cluster.start_probe(self._service, **options)
            while not background.is_over:
                self._scale()
                self._follow_cluster()
                self._draw(running)
                background.pause(REDRAW_SECONDS)
            self._scale()
            self._say(
                "Stopped." if background.was_stopped else f"Ended after {self._seconds:.0f} s; run the cell again."
            )
        except CourseError as error:
            self._say(str(error))
        finally:
            if running:
                running.stop()
            self._button.disabled = True

    def _scale(self) -> None:
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        for name, replicas in wanted.items():
            self._cluster.set_replicas(name, replicas)
            self._shown[name] = replicas

    def _follow_cluster(self) -> None:
        """Move the sliders to what somebody else has set."""
        found = {each["metadata"]["name"]: each for each in self._cluster.objects("deployments")}
        for name, slider in self.sliders.items():
            if name not in found:
                raise CourseError(f"Deployment {name} is gone. Apply the manifest again, then run this cell again.")
            with self._lock:
                if name in self._wanted:
                    continue
                self._shown[name] = _replicas(found[name])
            if slider.value != self._shown[name]:
                slider.max = max(slider.max, self._shown[name])
                slider.value = self._shown[name]
        ready = ", ".join(f"{name}: {_ready(found[name])} ready" for name in self.sliders)
        self._say(ready)

    def _draw(self, running: RunningProbe) -> None:
        visits = running.visits
        visits.version_of = {**self._cluster.versions(), **visits.version_of}
        running.version_of.update(visits.version_of)
        recent = Visits(_recent(visits), visits.version_of)
        if recent.answered:
            self._chart.value = show_split(recent.by("version")).html
        elif recent.all:
            self._chart.value = f'<p style="{TEXT_STYLE}">{html.escape(recent.reading())}</p>'

    def _say(self, sentence: str) -> None:
        text = f'<span style="{TEXT_STYLE}">{html.escape(sentence)}</span>'
        if self._state.value != text:
            self._state.value = text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, f"Replica sliders for {', '.join(self.sliders)}; run the cell to see them.")


def _recent(visits: Visits) -> list[Any]:
    last = max((visit.start for visit in visits), default=0.0)
    return [visit for visit in visits if visit.start > last - WINDOW]


def _replicas(deployment: dict[str, Any]) -> int:
    return int(deployment["spec"].get("replicas", 0))


def _ready(deployment: dict[str, Any]) -> int:
    return int((deployment.get("status") or {}).get("readyReplicas", 0))
