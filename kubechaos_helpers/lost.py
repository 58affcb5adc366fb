"""Requests that failed, each with what the pods were doing at that moment: what happened together, not why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubechaos_helpers.phases import DOWN, LISTED_READY, NOT_SELECTED, READY, RUNNING, TERMINATING, Span
from kubechaos_helpers.printing import align
from kubechaos_helpers.probe_job import TIMEOUT, UNREACHABLE
from kubechaos_helpers.visits import Visit, Visits, plural

if TYPE_CHECKING:
    from kubechaos_helpers.story import Told

# A pod whose state changed so many seconds before or after a failure is told of.
NEAR_SECONDS = 1.0
MOST_IN_TABLE = 20
TAIL = 5
JUST_GONE, UNTRIED = "just gone", "untried"
NOBODY, UNFOLLOWED, UNCHANGED = "nobody", "unfollowed", "unchanged"
# What is said of the pods in a state, and of no pod in particular.
SAID_OF_PODS = {
    TERMINATING: "terminating",
    DOWN: "without a running container",
    RUNNING: "running but no longer ready",
    NOT_SELECTED: "no longer selected",
    JUST_GONE: "just gone",
    UNTRIED: "ready without having answered yet",
}
SAID = {
    NOBODY: "no pod was ready in the EndpointSlice",
    UNFOLLOWED: "the story was not followed",
    UNCHANGED: "no pod changed",
}

Doing = dict[str, list[str]]


class LostVisit(NamedTuple):
    """One visit that failed: times in seconds, ``at`` since the probe began.

    ``pod`` is the one that answered before on the same connection, or that answered with an error; else ``""``.
    ``doing`` has the pods in each noteworthy state, and none for what is said of no pod in particular.
    """

    at: float
    seconds: float
    error: str
    pod: str
    doing: Doing

    @property
    def sentence(self) -> str:
        """What the pods were doing."""
        return _circumstance(self.doing)


class LostVisits:
    """The failed ones among ``total`` visits, in the order of their beginnings."""

    def __init__(self, lost: Sequence[LostVisit], total: int) -> None:
        self.all, self.total = list(lost), total

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[LostVisit]:
        return iter(self.all)

    def table(self) -> str:
        """One line for each, the first ones when they are many."""
        if not self.all:
            return ""
        rows = [("SENT AT", "LASTED", "ERROR", "POD", "MEANWHILE")]
        for each in self.all[:MOST_IN_TABLE]:
            lasted = f"{each.seconds:.3f} s"
            meanwhile = _circumstance({state: list(map(short_name, pods)) for state, pods in each.doing.items()})
            rows.append((f"{each.at:.2f} s", lasted, each.error, each.pod or "<none>", meanwhile))
        more = len(self.all) - MOST_IN_TABLE
        return align(rows) + (f"\nand {more:,} more" if more > 0 else "")

    def reading(self) -> str:
        """How many failed, when, and what happened meanwhile, in a sentence."""
        if not self.all:
            return f"All {self.total:,} requests were answered." if self.total else "There were no requests."
        return f"{len(self.all):,} of {self.total:,} requests failed, {self._when()}{self._meanwhile()}."

    def _when(self) -> str:
        first, last = f"{self.all[0].at:.1f}", f"{self.all[-1].at:.1f}"
        everything = "all " if len(self.all) > 1 else ""
        return f"{everything}at {first} s" if first == last else f"{everything}between {first} s and {last} s"

    def _meanwhile(self) -> str:
        """What went on during all of them, then what went on during some, the most frequent first."""
        groups: dict[str, list[LostVisit]] = {}
        for each in self.all:
            for state in each.doing or {UNCHANGED: []}:
                groups.setdefault(state, []).append(each)
        texts = {state: _circumstance(_pods_in(state, group)) for state, group in groups.items()}
        always = [text for state, text in texts.items() if len(groups[state]) == len(self.all)]
        some = sorted((state for state in groups if texts[state] not in always), key=lambda state: -len(groups[state]))
        parts = [f", while {' and '.join(always)}"] if always else []
        parts += [f", {len(groups[state]):,} of them while {texts[state]}" for state in some]
        overlap = sum(len(groups[state]) for state in some) > len(self.all)
        return "".join(parts) + (" (several can be true of one request)" if overlap else "")

    def __repr__(self) -> str:
        return f"{self.table()}\n\n{self.reading()}".strip()


def _pods_in(state: str, group: list[LostVisit]) -> Doing:
    """All pods that were in a state during one of these visits."""
    return {state: sorted({pod for each in group for pod in each.doing.get(state, [])})}


def short_name(pod: str) -> str:
    """The pod's own part of its name."""
    return f"…{pod[-TAIL:]}"


def _circumstance(doing: Doing) -> str:
    said = [f"{_subject(pods)} {SAID_OF_PODS[state]}" if pods else SAID[state] for state, pods in doing.items()]
    return " and ".join(said) or SAID[UNCHANGED]


def _subject(pods: list[str]) -> str:
    return f"{pods[0]} was" if len(pods) == 1 else f"{len(pods)} {plural(len(pods), 'pod')} were"


def find(told: Told, visits: Visits) -> LostVisits:
    """The visits that failed, with what the story tells of those moments."""
    first_answers: dict[str, float] = {}
    pod_of_connection: dict[int, str] = {}
    for visit in sorted(visits.answered, key=lambda visit: visit.start):
        first_answers.setdefault(visit.pod, visit.start + visit.seconds)
        pod_of_connection.setdefault(visit.connection, visit.pod)
    found = []
    for visit in sorted((each for each in visits if each.error), key=lambda visit: visit.start):
        pod = visit.pod or pod_of_connection.get(visit.connection, "")
        doing = _around(told, visit, visits.started, first_answers)
        found.append(LostVisit(visit.start, visit.seconds, visit.error, pod, doing))
    return LostVisits(found, len(visits))


def _around(told: Told, visit: Visit, started: float, first_answers: Mapping[str, float]) -> Doing:
    """The pods in each noteworthy state during a visit; times of first answers are since the probe began."""
    begin = started + visit.start
    # Who waited in vain was lost when they began to wait.
    end = begin if visit.error in (TIMEOUT, UNREACHABLE) else begin + visit.seconds
    if begin > told.end or end < told.begin:
        return {UNFOLLOWED: []}
    doing: Doing = {}
    has_ready = False
    for pod in told.pods.keys() | told.listed.keys():
        past, listed = told.pods.get(pod, []), told.listed.get(pod, [])
        is_listed = any(span.state == LISTED_READY and span.overlaps(begin, end) for span in listed)
        has_ready = has_ready or is_listed
        state = _noteworthy(past, listed, begin, end)
        if not state and is_listed and first_answers.get(pod, float("inf")) > end - started:
            state = UNTRIED
        if state:
            doing.setdefault(state, []).append(pod)
    if UNTRIED in doing:  # they are listed still, those are not
        doing.pop(JUST_GONE, None)
    nobody: Doing = {} if has_ready else {NOBODY: []}
    return nobody | {state: sorted(doing[state]) for state in SAID_OF_PODS if state in doing}


def _noteworthy(past: list[Span], listed: list[Span], begin: float, end: float) -> str:
    """The state that a pod was in during a visit, if it had just come into it or was about to leave it."""
    if not past:
        return ""
    edges = [edge for span in [*past, *listed] for edge in (span.begin, span.end)]
    if not any(begin - NEAR_SECONDS <= edge <= end + NEAR_SECONDS for edge in edges):
        return ""
    if past[-1].end < begin:
        return JUST_GONE
    states = [span.state for span in past if span.overlaps(begin, end)]
    has_been_ready = any(span.state == READY and span.begin < begin for span in past)
    for state in (TERMINATING, DOWN, RUNNING, NOT_SELECTED):
        if state in states and (state != RUNNING or has_been_ready):
            return state
    return ""
