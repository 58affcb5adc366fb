"""What pods go through: their phases, and how their Service lists them, as spans of time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]

PENDING, RUNNING, READY, TERMINATING = "pending", "running, not ready", "ready", "terminating"
DOWN, NOT_SELECTED, GONE = "container down", "not selected", "gone"
PHASES = (PENDING, RUNNING, READY, TERMINATING, DOWN, NOT_SELECTED)
# How an EndpointSlice lists a pod.
LISTED_READY, LISTED_SERVING, LISTED_TERMINATING, LISTED = "ready", "serving while it ends", "terminating", "not ready"


class Change(NamedTuple):
    """From when on a pod was in a state; times in seconds, of the clock that Visits are kept in."""

    at: float
    pod: str
    state: str


class Span(NamedTuple):
    """How long a pod was in a state."""

    begin: float
    end: float
    state: str

    def overlaps(self, begin: float, end: float) -> bool:
        return self.begin <= end and begin < self.end


Spans = Mapping[str, list[Span]]


def is_selected(pod: Object, selector: Mapping[str, str]) -> bool:
    """Whether a Service's selector finds a pod: every one of its labels is there. An empty one finds nothing."""
    return bool(selector) and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def phase_of(pod: Object, selector: Mapping[str, str]) -> str:
    """What a pod is doing as its Service sees it."""
    phase = own_phase(pod)
    return phase if phase == TERMINATING or is_selected(pod, selector) else NOT_SELECTED


def own_phase(pod: Object) -> str:
    """What a pod is doing, whoever selects it."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return TERMINATING
    if any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or []):
        return READY
    containers = status.get("containerStatuses") or []
    if any("running" in (each.get("state") or {}) for each in containers):
        return RUNNING
    has_run = any(each.get("restartCount") or "terminated" in (each.get("state") or {}) for each in containers)
    return DOWN if has_run else PENDING


def listing_of(endpoint: Object) -> str:
    """How an endpoint is listed. Without the condition it is ready (discovery.k8s.io/v1, EndpointConditions)."""
    conditions = endpoint.get("conditions") or {}
    if conditions.get("ready", True):
        return LISTED_READY
    if not conditions.get("terminating"):
        return LISTED
    return LISTED_SERVING if conditions.get("serving") else LISTED_TERMINATING


def listings(slices: Iterable[Object]) -> dict[str, str]:
    """How each pod is listed in the EndpointSlices of a Service; ready if it is so in one of them."""
    found: dict[str, str] = {}
    for endpoint in (each for piece in slices for each in piece.get("endpoints") or []):
        pod = (endpoint.get("targetRef") or {}).get("name", "")
        if found.get(pod) != LISTED_READY:
            found[pod] = listing_of(endpoint)
    return found


def spans(changes: Iterable[Change], end: float) -> dict[str, list[Span]]:
    """The states of each pod one after the other, the last one until ``end``; after ``GONE`` comes nothing."""
    found: dict[str, list[Span]] = {}
    for change in sorted(changes, key=lambda change: change.at):
        past = found.setdefault(change.pod, [])
        if past and past[-1].end == end:
            if past[-1].state == change.state:
                continue
            past[-1] = past[-1]._replace(end=change.at)
        if change.state != GONE:
            past.append(Span(change.at, end, change.state))
    return found


def state_at(past: Iterable[Span], at: float) -> Span | None:
    """The span that a moment lies in."""
    return next((span for span in past if span.begin <= at < span.end), None)
