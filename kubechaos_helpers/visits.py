"""What a probe saw: visits, the shares of pods and versions among them, and the order in which pods answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kubechaos_helpers import statistics
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.statistics import Interval, Match, Order

if TYPE_CHECKING:
    from kubechaos_helpers.chart import Chart
    from kubechaos_helpers.course.prediction import Prediction

UNKNOWN, NO_VERSION = "(no name)", "(no version)"

VersionOf = Mapping[str, str]


class Visit(NamedTuple):
    """One request of one visitor, answered or not. Times in seconds, ``start`` since the probe began."""

    start: float
    seconds: float
    visitor: int
    connection: int
    number_on_connection: int
    pod: str
    status: int
    size: int
    error: str


class Share(NamedTuple):
    """One name's part of what was counted, with its 95 % interval."""

    name: str
    number: int
    total: int
    interval: Interval


class Visits:
    """The visits of one probe. ``version_of`` gives the version of each pod, from the pods' labels.

    ``started`` is when the probe began, in seconds since 1970.
    """

    def __init__(
        self,
        visits: Iterable[Visit],
        version_of: VersionOf | None = None,
        interrupted: bool = False,
        started: float = 0.0,
    ) -> None:
        self.all = list(visits)
        self.version_of = dict(version_of or {})
        self.interrupted = interrupted
        self.started = started

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self.all)

    @property
    def answered(self) -> list[Visit]:
        return [visit for visit in self.all if not visit.error]

    @property
    def errors(self) -> dict[str, int]:
        """How often each kind of error happened, the most frequent first."""
        return dict(Counter(visit.error for visit in self.all if visit.error).most_common())

    @property
    def connections(self) -> int:
        """How many connections carried the visits that were answered."""
        return len({visit.connection for visit in self.answered})

    @property
    def pods(self) -> list[str]:
        """The pods that answered, in the order of their first answer."""
        return list(dict.fromkeys(visit.pod for visit in self.answered))

    def name_of(self, visit: Visit, what: str) -> str:
        """The pod or the version that answered a visit."""
        pod = visit.pod or UNKNOWN
        return pod if what == "pod" else self.version_of.get(visit.pod, NO_VERSION)

    def by(self, what: str = "pod", of: str = "") -> Split:
        """The shares of each ``pod`` or ``version``, ``of`` connections or requests.

        Connections are counted where there are several: kube-proxy chooses once for each.
        """
        if what not in ("pod", "version"):
            raise CourseError(f"Visits can be counted by pod or by version, not by {what!r}.")
        if of not in ("", "connections", "requests"):
            raise CourseError(f"Shares can be of connections or of requests, not of {of!r}.")
        chosen = of or ("connections" if self.connections > 1 else "requests")
        return Split(self, what, chosen)

    def sequence(self, what: str = "pod") -> list[str]:
        """Who answered, one visit after the other."""
        ordered = sorted(self.answered, key=lambda visit: visit.start)
        return [self.name_of(visit, what) for visit in ordered]

    def firsts(self) -> list[Visit]:
        """Each connection's first answer, in their order: what kube-proxy chose."""
        found: dict[int, Visit] = {}
        for visit in sorted(self.answered, key=lambda visit: visit.start):
            found.setdefault(visit.connection, visit)
        return list(found.values())

    def order(self) -> Order:
        """Whether the pods took turns or were drawn at random, judged by each connection's first answer.

        Visitors who connect at the same moment blur turns, so only one visitor's connections can look random.
        """
        firsts = self.firsts()
        found = statistics.order([visit.pod for visit in firsts])
        if found.verdict == statistics.RANDOM and len({visit.visitor for visit in firsts}) > 1:
            return Order(
                statistics.UNDECIDED,
                "Undecided: several visitors connected at the same time, and that hides turns. Probe with visitors=1.",
            )
        return found

    def loyal_visitors(self) -> int:
        """How many visitors saw one pod only."""
        seen: dict[int, set[str]] = {}
        for visit in self.answered:
            seen.setdefault(visit.visitor, set()).add(visit.pod)
        return sum(len(pods) == 1 for pods in seen.values())

    def show_sequence(self, what: str = "pod", prediction: Prediction | None = None) -> object:
        """Who answered one visit after the other, as a strip. See kubechaos_helpers.chart."""
        from kubechaos_helpers import chart

        return chart.show_sequence(self, what, prediction)

    def show_running_share(
        self, name: str, expected: float | None = None, prediction: Prediction | None = None
    ) -> object:
        """The share of a version after each connection: the law of large numbers. See kubechaos_helpers.running_share.

        ``expected`` is the share (0 to 1) that it should come near to, ``prediction`` one in per cent.
        """
        from kubechaos_helpers import running_share

        return running_share.show(self, name, expected, prediction)

    def show_over_time(self, what: str = "version") -> Chart:
        """Requests per second, stacked by version, failures on top. See kubechaos_helpers.traffic."""
        from kubechaos_helpers import traffic

        return traffic.show_over_time(self, what)

    def reading(self) -> str:
        """What happened, in a sentence or two."""
        failures = ", ".join(f"{times(count)} {kind}" for kind, count in self.errors.items())
        if not self.all:
            return "There were no visits."
        visits = "visit was" if len(self) == 1 else "visits were"
        if not self.answered:
            return f"Nobody answered: {len(self)} {plural(len(self), 'visit')}, {failures}."
        text = (
            f"{len(self.answered)} of {len(self)} {visits} answered, over {self.connections}"
            f" {plural(self.connections, 'connection')}, by {len(self.pods)} {plural(len(self.pods), 'pod')}."
        )
        text += f" Errors: {failures}." if failures else ""
        return text + (" The probe was interrupted." if self.interrupted else "")

    def __repr__(self) -> str:
        return self.reading()


@dataclass
class Split:
    """How visits divide among pods or versions. ``of`` is what is counted: connections or requests."""

    visits: Visits
    what: str
    of: str
    shares: dict[str, Share] = field(init=False)

    def __post_init__(self) -> None:
        clusters = self._clusters()
        names = sorted({name for counts in clusters.values() for name in counts})
        self.shares = {name: self._share(name, list(clusters.values())) for name in names}

    def _clusters(self) -> dict[int, Counter[str]]:
        """For each connection how many of its requests each name answered."""
        clusters: dict[int, Counter[str]] = {}
        for visit in self.visits.answered:
            clusters.setdefault(visit.connection, Counter())[self.visits.name_of(visit, self.what)] += 1
        return clusters

    def _share(self, name: str, clusters: list[Counter[str]]) -> Share:
        if self.of == "connections":
            count = sum(counts.most_common(1)[0][0] == name for counts in clusters)
            return Share(name, count, len(clusters), statistics.wilson(count, len(clusters)))
        pairs = [(counts[name], sum(counts.values())) for counts in clusters]
        count, total = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
        return Share(name, count, total, statistics.clustered(pairs))

    @property
    def total(self) -> int:
        return next((share.total for share in self.shares.values()), 0)

    def matches(self, name: str, expected: float) -> Match:
        """Whether a name's share fits an expected one (0 to 1); wrong about once in a million times."""
        share = self.shares.get(name) or Share(name, 0, self.total, statistics.wilson(0, self.total))
        if self.of == "connections":
            return statistics.matches(share.number, share.total, expected)
        pairs = [(counts[name], sum(counts.values())) for counts in self._clusters().values()]
        number = statistics.effective_number(pairs) if pairs else 0.0
        return statistics.matches(share.interval.share * number, number, expected)

    def order(self) -> Order:
        return self.visits.order()

    def table(self) -> str:
        """The shares as text, one line a name."""
        rows = [(self.what, self.of, "share", "95 % interval")]
        for share in self.shares.values():
            low, high = share.interval.low, share.interval.high
            rows.append(
                (share.name, str(share.number), percent(share.interval.share), f"{percent(low)} to {percent(high)}")
            )
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def reading(self, marks: Mapping[str, float] | None = None, name: str = "") -> str:
        """The split in one sentence, and how far off each mark is, such as ``{"Predicted": 0.75}``.

        The marks are for the share of ``name``, or of the first name in the table.
        """
        if not self.shares:
            return self.visits.reading()
        if self.of == "requests" and self.visits.connections == 1:
            only = next(iter(self.shares))
            seen = f"All {self.total} requests on one connection were answered by {only}"
            return f"{seen}: that says nothing about the split."
        parts = [
            f"{share.name} got {percent(share.interval.share)}"
            f" ({percent(share.interval.low)} to {percent(share.interval.high)})"
            for share in self.shares.values()
        ]
        listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
        text = f"Of {self.total} {self.of}, {listed}."
        return text + "".join(self._gap(word, mark, name) for word, mark in (marks or {}).items())

    def _gap(self, word: str, mark: float, name: str) -> str:
        share = self.shares.get(name or next(iter(self.shares)))
        if share is None:
            return ""
        inside = share.interval.low <= mark <= share.interval.high
        where = "within" if inside else "outside"
        gap = abs(100 * (share.interval.share - mark))
        return f" {word} for {share.name}: {percent(mark)}, {gap:.1f} points off and {where} the interval."

    def show(self, prediction: Prediction | None = None, name: str = "", expected: float | None = None) -> object:
        """The split as a chart, with its table and its reading. See kubechaos_helpers.chart."""
        from kubechaos_helpers import chart

        return chart.show_split(self, prediction, name, expected)

    def __repr__(self) -> str:
        return f"{self.table()}\n{self.reading()}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
