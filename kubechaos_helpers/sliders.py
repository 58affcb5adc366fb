"""Replica sliders: they scale the real Deployments, and a chart shows the split while traffic flows."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubechaos_helpers.chart import show_split
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.running_probe import RunningProbe
from kubechaos_helpers.visits import Visits
from kubechaos_helpers.widgets import TEXT_STYLE, Background, mimebundle, show_state

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

# Fresh connections a second, and of how many seconds the chart tells.
RATE, WINDOW_SECONDS = 40.0, 5.0
REDRAW_SECONDS = 0.5
GO_ON = "Move a slider to go on."


class ReplicaSliders:
    """A slider and a number field for each Deployment. One worker scales, to the latest wanted value only.

    Traffic and worker end after ``seconds`` or with Stop; moving a slider, also in code, begins them again.
    """

    def __init__(self, cluster: Cluster, deployments: Sequence[str], service: str, most: int, seconds: float) -> None:
        import ipywidgets

        self._cluster, self._service, self._seconds = cluster, service, seconds
        self._lock = threading.Lock()
        self._wanted: dict[str, int] = {}
        self._drawn = 0.0
        replicas = {name: _replicas(cluster.read("deployment", name)) for name in deployments}
        self.sliders = {name: _slider(name, value, most) for name, value in replicas.items()}
        for name, slider in self.sliders.items():
            slider.observe(lambda change, name=name: self._want(name, change["new"]), "value")
        self._state = ipywidgets.HTML()
        self._chart = ipywidgets.HTML("The chart appears when the first visitors have been served.")
        self._button = ipywidgets.Button(description="Stop", tooltip="Stop the traffic and the chart")
        self._button.on_click(lambda _: self._background.ask_to_stop())
        rows = [ipywidgets.HBox([slider, _number(slider)]) for slider in self.sliders.values()]
        self._widget = ipywidgets.VBox([*rows, ipywidgets.HBox([self._button, self._state]), self._chart])
        self._background: Background = self._begin()

    def __getitem__(self, deployment: str) -> Any:
        """The slider of a Deployment; setting its ``value`` is moving it."""
        if deployment not in self.sliders:
            raise CourseError(f"There is no slider for {deployment!r}; there are: {', '.join(self.sliders)}.")
        return self.sliders[deployment]

    @property
    def text(self) -> str:
        """How things stand, and the chart, as HTML."""
        return f"{self._state.value}\n{self._chart.value}"

    def stop(self) -> None:
        """Set what was wanted last, then end the traffic and the chart; the Deployments stay as they are."""
        self._background.stop()

    def _begin(self) -> Background:
        background = Background(f"sliders {self._service}", self._work, self._seconds)
        self._button.disabled = False
        background.start()
        return background

    def _want(self, name: str, replicas: int) -> None:
        """Called on any thread: only note what is wanted now."""
        if self._background.is_own_thread:  # it shows what somebody else has set
            return
        with self._lock:
            self._wanted[name] = replicas
            if self._background.is_over:
                self._background = self._begin()
        self._background.wake()

    # --- the worker

    def _work(self, background: Background) -> None:
        options: dict[str, Any] = {"visitors": 1, "requests": 0, "rate": RATE, "duration": self._seconds}
        running: RunningProbe | None = None
        ending = f"Ended after {self._seconds:.0f} s. {GO_ON}"
        try:
            running = self._cluster.start_probe(self._service, keep_alive=False, **options)
            while not background.is_over:
                self._scale()
                self._follow_cluster()
                self._draw(running)
                background.pause(REDRAW_SECONDS)
            self._scale()
            self._drawn = 0.0
            self._draw(running)
        except CourseError as error:
            ending = str(error)
        finally:
            if running:
                running.stop()
            show_state(self._state, f"Stopped. {GO_ON}" if background.was_stopped else ending)
            self._button.disabled = True

    def _scale(self) -> None:
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        for name, replicas in wanted.items():
            self._cluster.set_replicas(name, replicas)

    def _follow_cluster(self) -> None:
        """Move the sliders to what somebody else has set, and say how many pods are ready."""
        found = {each["metadata"]["name"]: each for each in self._cluster.objects("deployments")}
        for name, slider in self.sliders.items():
            if name not in found:
                raise CourseError(f"Deployment {name} is gone. Apply the manifest again, then run this cell again.")
            replicas = _replicas(found[name])
            with self._lock:
                is_pending = name in self._wanted
            if not is_pending and slider.value != replicas:
                slider.max = max(slider.max, replicas)
                slider.value = replicas
        ready = ", ".join(f"{name}: {_ready(found[name])} ready" for name in self.sliders)
        show_state(self._state, f"{ready}. The chart shows the last {WINDOW_SECONDS:.0f} seconds.")

    def _draw(self, running: RunningProbe) -> None:
        """At most twice a second, however often the sliders are moved."""
        if time.monotonic() < self._drawn + REDRAW_SECONDS:
            return
        self._drawn = time.monotonic()
        running.version_of |= self._cluster.versions()
        visits = running.visits
        since = max((visit.start for visit in visits), default=0.0) - WINDOW_SECONDS
        recent = Visits([visit for visit in visits if visit.start > since], visits.version_of)
        if recent.answered:
            self._chart.value = show_split(recent.by("version")).html
        elif recent.all:
            self._chart.value = f'<p style="{TEXT_STYLE}">{html.escape(recent.reading())}</p>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, f"Replica sliders for {', '.join(self.sliders)}; run the cell to see them.")


def _slider(name: str, value: int, most: int) -> Any:
    import ipywidgets

    return ipywidgets.IntSlider(
        value=value,
        min=0,
        max=max(most, value),
        description=name,
        continuous_update=False,
        style={"description_width": "12em"},
        layout={"width": "28em"},
    )


def _number(slider: Any) -> Any:
    """A number field for the same value, for keyboards and screen readers."""
    import ipywidgets

    number = ipywidgets.BoundedIntText(
        value=slider.value,
        min=slider.min,
        max=slider.max,
        description="replicas",
        tooltip=f"Replicas of {slider.description}",
        layout={"width": "11em"},
    )
    _mirror(slider, number, "max")
    _mirror(slider, number, "value")
    _mirror(number, slider, "value")
    return number


def _mirror(source: Any, target: Any, name: str) -> None:
    """Have a trait of ``target`` follow. traitlets' own link raises when learner and worker set a value at once."""
    source.observe(lambda change: setattr(target, name, change["new"]), name)


def _replicas(deployment: dict[str, Any]) -> int:
    return int(deployment["spec"].get("replicas", 0))


def _ready(deployment: dict[str, Any]) -> int:
    return int((deployment.get("status") or {}).get("readyReplicas", 0))
