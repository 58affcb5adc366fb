"""What the pods behind a Service went through while traffic flowed, told on the clock of the visits.

``cluster.start_story`` watches; ``.stop()`` gives what was Told, which visits are then drawn beside.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from kubechaos_helpers import endpoints, lost, phases, waiting
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.phases import GONE, NOT_SELECTED, Change, Span
from kubechaos_helpers.visits import Visits
from kubechaos_helpers.widgets import Background

if TYPE_CHECKING:
    from kubechaos_helpers.chart import Chart
    from kubechaos_helpers.cluster import Cluster

BEGIN_SECONDS = 10.0


class Story:
    """Watches the pods of a Service's selector and its EndpointSlices until ``stop``, or for ``seconds`` at most.

    Times are those at which this machine heard of a change: on the embedded cluster a few milliseconds after it. The
    API's own timestamps are whole seconds, too coarse to find a lost request.
    """

    def __init__(self, cluster: Cluster, service: str, seconds: float = 600.0) -> None:
        self._cluster, self._service, self._seconds = cluster, service, seconds
        self._selector: dict[str, str] = cluster.read("service", service)["spec"].get("selector") or {}
        if not self._selector:
            raise CourseError(
                f"Service {service} has no selector, so no pods belong to it."
                f" Give it one: kubectl edit service {service}"
            )
        self._changes: list[Change] = []
        self._listed: list[Change] = []
        self._version_of: dict[str, str] = {}
        self._trouble: CourseError | None = None
        self._told: Told | None = None
        self._watches = [
            self._watch("pods", "", self._hear_of_pods),
            self._watch("endpointslices", endpoints.selector_of_slices(service), self._hear_of_slices),
        ]
        self._begin = time.time()  # what has been heard of until now was there before

    def _watch(self, what: str, selector: str, hear: Callable[[waiting.Objects], None]) -> Background:
        """Follow one kind on a thread; returns when what is there now has been heard of."""
        kind, heard = self._cluster.api.kind(what), threading.Event()

        def follow(background: Background) -> None:
            try:
                api, namespace = self._cluster.api, self._cluster.namespace
                for seen in waiting.follow(api, kind, namespace, selector, self._seconds, lambda: background.is_over):
                    hear(seen)
                    heard.set()
            except CourseError as error:
                self._trouble = error
            finally:
                heard.set()

        background = Background(f"story {what} {self._service}", follow, self._seconds)
        background.start()
        heard.wait(BEGIN_SECONDS)
        return background

    def _hear_of_pods(self, seen: waiting.Objects) -> None:
        now = {name: phases.phase_of(pod, self._selector) for name, pod in seen.items()}
        known = {change.pod for change in self._changes}
        # Pods that the Service never selected are no part of its story.
        ours = {name: phase for name, phase in now.items() if name in known or phase != NOT_SELECTED}
        for name in ours.keys() - known:
            version = (seen[name]["metadata"].get("labels") or {}).get("version")
            self._version_of |= {name: version} if version else {}
        _note(self._changes, ours)

    def _hear_of_slices(self, seen: waiting.Objects) -> None:
        _note(self._listed, phases.listings(seen.values()))

    def stop(self) -> Told:
        """End the watch; what happened until now. CourseError when the cluster could not be watched."""
        if self._told is None:
            for watch in self._watches:
                watch.ask_to_stop()
            for watch in self._watches:
                watch.join()
            end = min(time.time(), self._begin + self._seconds)
            self._told = Told(self._service, self._changes, self._listed, self._version_of, self._begin, end)
        if self._trouble:
            raise self._trouble
        return self._told

    def __repr__(self) -> str:
        return f"Following what happens behind Service {self._service}; .stop() ends it and tells."


def _note(changes: list[Change], now: Mapping[str, str]) -> None:
    """Add what is other than it was; what was there and is not is gone."""
    at = time.time()
    before = {change.pod: change.state for change in changes}
    gone = dict.fromkeys(before.keys() - now.keys(), GONE)
    changes += [Change(at, pod, state) for pod, state in {**now, **gone}.items() if before.get(pod) != state]


class Told:
    """What happened behind a Service from ``begin`` to ``end``, in seconds since 1970.

    ``changes`` are the pods' phases, ``listed`` how the EndpointSlices listed them; see kubechaos_helpers.phases.
    """

    def __init__(
        self,
        service: str,
        changes: list[Change],
        listed: list[Change],
        version_of: Mapping[str, str],
        begin: float,
        end: float,
    ) -> None:
        self.service, self.changes, self.listed_changes = service, changes, listed
        self.version_of, self.begin, self.end = dict(version_of), begin, end

    @cached_property
    def pods(self) -> dict[str, list[Span]]:
        """The phases of each pod, in the order in which the pods came."""
        return phases.spans(self.changes, self.end)

    @cached_property
    def listed(self) -> dict[str, list[Span]]:
        """How each pod was listed in the Service's EndpointSlices."""
        return phases.spans(self.listed_changes, self.end)

    def show(self, visits: Visits) -> Chart:
        """Pods, failures and requests per second on one time axis. See kubechaos_helpers.timeline."""
        from kubechaos_helpers.timeline import show_story

        return show_story(self, self._beside(visits))

    def lost(self, visits: Visits) -> lost.LostVisits:
        """The visits that failed, each with what the pods were doing at that moment."""
        return lost.find(self, self._beside(visits))

    def _beside(self, visits: Visits) -> Visits:
        """The visits with every pod's version; CourseError when they were made at another time."""
        until = visits.started + max((visit.start + visit.seconds for visit in visits), default=0.0)
        if until < self.begin or visits.started > self.end:
            raise CourseError(
                "These visits were not made while this story was followed. Start the story, then the probe, and stop"
                " both in the same cell or in cells that follow each other."
            )
        version_of = self.version_of | visits.version_of
        return Visits(visits.all, version_of, visits.interrupted, visits.started)

    def __repr__(self) -> str:
        seconds = self.end - self.begin
        return f"What {len(self.pods)} pods behind Service {self.service} went through in {seconds:.1f} s."
