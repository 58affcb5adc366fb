"""What was measured here beside a recording of a real kube-proxy: how often a pod answered several times running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from kubechaos_helpers.chart import Chart, new_figure, open_frame
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.printing import align
from kubechaos_helpers.statistics import RANDOM, ROUND_ROBIN, UNDECIDED, Order
from kubechaos_helpers.style import OTHERS
from kubechaos_helpers.visits import Visits, percent

HEIGHT_IN_ROWS = 4
# Longer runs are counted together.
LONGEST = 8
MEASURED, RECORDED = "measured here", "real kube-proxy"
SAID = {RANDOM: "looks random", ROUND_ROBIN: "goes in turns", UNDECIDED: "leaves it undecided"}


class Runs(NamedTuple):
    """The share (0 to 1) of runs of each length from 1 to ``LONGEST`` or more, and what chance alone would give."""

    shares: list[float]
    expected: list[float]


def show_beside(visits: Visits, recording: Visits) -> Chart:
    """How long runs of the same pod were over new connections, here and in a recording, beside pure chance."""
    found = {MEASURED: runs(visits), RECORDED: runs(recording)}
    figure, axes = new_figure(HEIGHT_IN_ROWS)
    lengths = range(1, LONGEST + 1)
    for offset, (name, each), look in zip((-0.2, 0.2), found.items(), OTHERS, strict=False):
        places = [length + offset for length in lengths]
        heights = [100 * share for share in each.shares]
        axes.bar(places, heights, 0.4, color=look.colour, hatch=look.hatch, edgecolor="black", label=name)
        label = "at random" if name == MEASURED else None
        expected = [100 * share for share in each.expected]
        axes.plot(places, expected, "kD", markersize=7, markeredgecolor="white", label=label)
    axes.set_xticks(list(lengths), _names())
    axes.set_xlabel("connections in a row that reached the same pod")
    axes.set_ylabel("per cent of runs")
    axes.set_title("How long the same pod was chosen in a row", loc="left")
    open_frame(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return Chart(figure, reading(visits.order(), recording.order()), table(found))


def runs(visits: Visits) -> Runs:
    """How long runs are, over the first answers of connections; CourseError where there are too few to see any."""
    pods = [visit.pod for visit in visits.firsts()]
    number = len(set(pods))
    if number < 2 or len(pods) < LONGEST:
        raise CourseError(
            f"Runs can be compared when several pods answered over some {LONGEST} connections or more; here it was"
            f" {number} over {len(pods)}. Probe with keep_alive=False, so that each request opens a connection."
        )
    counts = Counter(min(LONGEST, len(list(group))) for _, group in groupby(pods))
    shares = [counts[length] / sum(counts.values()) for length in range(1, LONGEST + 1)]
    return Runs(shares, by_chance(number))


def by_chance(pods: int) -> list[float]:
    """How long runs are when each of so many pods is as likely at every connection, whatever came before."""
    again = 1 / pods
    shorter = [again ** (length - 1) * (1 - again) for length in range(1, LONGEST)]
    return [*shorter, again ** (LONGEST - 1)]


def table(found: dict[str, Runs]) -> str:
    """The shares by length; chance beside each, since it depends on the number of pods."""
    rows = [("RUN", *(text for name in found for text in (name.upper(), "AT RANDOM")))]
    for index, name in enumerate(_names()):
        shares = [share for each in found.values() for share in (each.shares[index], each.expected[index])]
        rows.append((name, *map(percent, shares)))
    return align(rows)


def _names() -> Sequence[str]:
    return [*map(str, range(1, LONGEST)), f"{LONGEST} or more"]


def reading(measured: Order, recorded: Order) -> str:
    """Whether both look random, with the evidence for each."""
    evidence = f"Measured: {measured.sentence} Recorded: {recorded.sentence}"
    if measured.verdict == recorded.verdict == RANDOM:
        return f"Both look random. {evidence}"
    return f"What was measured {SAID[measured.verdict]}; the recording {SAID[recorded.verdict]}. {evidence}"
