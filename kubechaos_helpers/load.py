"""Visitors who keep coming while something is done to the cluster, and the story of that time.

with cluster.under_load("kubechaos-svc") as load:
    cluster.restart("kubechaos-original")
print(load.verdict)
load.show()
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import waiting
from kubechaos_helpers.probe_job import UNREACHABLE
from kubechaos_helpers.visits import Visit, Visits

if TYPE_CHECKING:
    from kubechaos_helpers.chart import Chart
    from kubechaos_helpers.cluster import Cluster
    from kubechaos_helpers.lost import LostVisits
    from kubechaos_helpers.story import Told

# 200 connections a second, spread evenly, unless told otherwise.
USUAL: dict[str, Any] = {"visitors": 4, "rate": 50.0, "requests": 0, "duration": 120.0, "keep_alive": False}
# Traffic before and after what is done, so that one sees how it was and how it is.
CALM_SECONDS = 1.0
MOST_TRIES = 4
START_SECONDS, END_SECONDS = 10.0, 60.0
# A request that fails sooner was refused; one that fails later had been taken.
REFUSED_SECONDS = 0.5
NOBODY_THERE, CUT_OFF = "some found nobody there", "some were taken and then cut off"


class Load:
    """Traffic from the beginning of a ``with`` block until, after its end, no pod is ending any more.

    It begins when kube-proxy has followed what was changed before.
    """

    visits: Visits
    told: Told

    def __init__(self, cluster: Cluster, service: str, **options: Any) -> None:
        self._cluster, self._service, self._options = cluster, service, {**USUAL, **options}
        self._until, self._seen = CALM_SECONDS, threading.Event()

    def __enter__(self) -> Load:
        self._wait_for_rules()
        self._story = self._cluster.start_story(self._service)
        self._running = self._cluster.start_probe(self._service, self._look, **self._options)
        try:
            self._wait_for_calm(START_SECONDS)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None:
                self._wait_for_ending_pods()
                self._until = time.time() - self._running.visits.started + CALM_SECONDS
                self._seen.clear()
                self._wait_for_calm(START_SECONDS)
        finally:
            self._stop()

    def _wait_for_rules(self) -> None:
        """Wait until visitors meet no failure for a second: kube-proxy may still be at what was changed before.

        A Service that does not come to rest is begun with as it is.
        """
        for _ in range(MOST_TRIES):
            warm = self._cluster.start_probe(self._service, **{**self._options, "duration": CALM_SECONDS})
            if not warm.wait().errors:
                return

    def _look(self, number: int) -> None:
        """Called with each batch of visits: note that the last one was made late enough."""
        if number and self._running.visits.all[-1].start >= self._until:
            self._seen.set()

    def _wait_for_calm(self, seconds: float) -> None:
        if not self._seen.wait(seconds):
            raise self._cluster.waited_in_vain(
                f"No visitor came back from {self._service} within {seconds:.0f} s. Run the cell again."
            )

    def _wait_for_ending_pods(self) -> None:
        api, namespace = self._cluster.api, self._cluster.namespace

        def none_is_ending(pods: waiting.Objects) -> bool:
            return not any("deletionTimestamp" in pod["metadata"] for pod in pods.values())

        waiting.until(api, api.kind("pods"), namespace, "", none_is_ending, END_SECONDS)

    def _stop(self) -> None:
        try:
            self.visits = self._running.stop()
        finally:
            self.told = self._story.stop()
        self.visits.version_of |= self.told.version_of

    # --- what happened

    def lost(self) -> LostVisits:
        """The requests that failed, each with what the pods were doing at that moment."""
        return self.told.lost(self.visits)

    def show(self) -> Chart:
        """Pods, failures and requests per second on one time axis."""
        return self.told.show(self.visits)

    @property
    def verdict(self) -> str:
        """Whether requests were lost, and in which ways, in one sentence."""
        return verdict_of(self.visits)

    def __repr__(self) -> str:
        return self.verdict


def verdict_of(visits: Visits) -> str:
    """Whether requests were lost, and in which ways, in one sentence."""
    ways = sorted({_way(visit) for visit in visits if visit.error})
    return f"Requests were lost: {', '.join(ways)}." if ways else "No request was lost."


def _way(visit: Visit) -> str:
    if visit.status:
        return f"some were answered with {visit.error}"
    return NOBODY_THERE if visit.error == UNREACHABLE or visit.seconds < REFUSED_SECONDS else CUT_OFF
