"""Traffic over time: requests per second, stacked by who answered, with those that failed on top."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from kubechaos_helpers.chart import Chart, blank_figure, open_frame
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.printing import align
from kubechaos_helpers.style import FAILED, looks
from kubechaos_helpers.visits import Visit, Visits, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAILURES = "failed"
# How wide a step may be, in seconds, and into how many the time is divided at most.
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
MOST_STEPS = 40


def show_over_time(visits: Visits, what: str = "version") -> Chart:
    """Requests per second by ``version`` or ``pod``, each counted when it was sent, failures on top."""
    if what not in ("pod", "version"):
        raise CourseError(f"Traffic over time can be shown by version or by pod, not by {what!r}.")
    figure = blank_figure(3.2)
    axes = figure.subplots()
    draw_rates(axes, visits, what, 0.0, duration(visits))
    # A few failures among many requests are too thin to see, so each has a mark of its own.
    failures = [visit.start for visit in visits if visit.error]
    axes.plot(failures, [1.03] * len(failures), "kx", transform=axes.get_xaxis_transform(), clip_on=False)
    axes.set_title(
        f"Requests per second by {what}" + (", each failure as a cross" if failures else ""), loc="left", pad=14
    )
    axes.set_xlabel("seconds since the probe began")
    if len(visits):
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return Chart(figure, reading(visits, what), table(visits, what))


def duration(visits: Visits) -> float:
    """How long the probe went on, in seconds: until its last answer."""
    return max((visit.start + visit.seconds for visit in visits), default=0.0)


def names_of(visits: Visits, what: str) -> list[str]:
    """Who answered, sorted; failures last, if there were any."""
    names = sorted({visits.name_of(visit, what) for visit in visits.answered})
    return [*names, FAILURES] if visits.errors else names


def edges_of(begin: float, end: float) -> list[float]:
    """Where the steps of a time begin and end. They are equally long, but for the last one, which takes the rest."""
    width = next((step for step in STEPS if (end - begin) / step <= MOST_STEPS), STEPS[-1])
    number = max(1, round((end - begin) / width))
    return [*(begin + width * step for step in range(number)), end]


def rates(visits: Visits, what: str, edges: Sequence[float]) -> dict[str, list[float]]:
    """Requests per second of each name in each of the steps between the edges."""
    counts = Counter(
        (_name(visits, visit, what), bisect_right(edges, visit.start, hi=len(edges) - 1)) for visit in visits
    )
    return {
        name: [counts[name, step] / (end - begin or 1.0) for step, (begin, end) in enumerate(pairwise(edges), 1)]
        for name in names_of(visits, what)
    }


def _name(visits: Visits, visit: Visit, what: str) -> str:
    return FAILURES if visit.error else visits.name_of(visit, what)


def draw_rates(axes: Axes, visits: Visits, what: str, begin: float, end: float) -> None:
    """Stacked steps from ``begin`` to ``end``, in seconds since the probe began."""
    edges = edges_of(begin, end)
    found = rates(visits, what, edges)
    look = {**looks([name for name in found if name != FAILURES], visits.version_of), FAILURES: FAILED}
    floor = [0.0] * len(edges)
    for name, heights in found.items():
        top = [below + height for below, height in zip(floor, [*heights, heights[-1]], strict=True)]
        axes.fill_between(
            edges,
            floor,
            top,
            step="post",
            facecolor=look[name].colour,
            hatch=look[name].hatch,
            edgecolor=look[name].line,
            linewidth=0.6,
            label=name,
        )
        floor = top
    axes.set_xlim(begin, end if end > begin else begin + 1)
    axes.set_ylim(0, 1.05 * (max(floor) or 1))
    axes.set_ylabel("per second")
    open_frame(axes)


def table(visits: Visits, what: str) -> str:
    """How many requests each name answered, when, and how many a second; ``""`` without visits."""
    rows = [(what.upper(), "REQUESTS", "SHARE", "PER SECOND", "FIRST", "LAST")]
    seconds = duration(visits)
    for name in names_of(visits, what):
        starts = sorted(visit.start for visit in visits if _name(visits, visit, what) == name)
        rate = f"{len(starts) / seconds:.1f}" if seconds else "0"
        shown = f"{starts[0]:.1f} s", f"{starts[-1]:.1f} s"
        rows.append((name, f"{len(starts):,}", percent(len(starts) / len(visits)), rate, *shown))
    return align(rows) if len(visits) else ""


def reading(visits: Visits, what: str) -> str:
    """The traffic in a sentence or two: how much, by whom, what failed, and the longest time without an answer."""
    if not visits.answered:
        return visits.reading()
    seconds = duration(visits)
    counts = Counter(visits.name_of(visit, what) for visit in visits.answered)
    listed = ", ".join(f"{name} {percent(count / len(visits.answered))}" for name, count in sorted(counts.items()))
    text = (
        f"In {seconds:.1f} s {len(visits):,} requests were sent, {len(visits) / seconds:.0f} a second;"
        f" {len(visits.answered):,} were answered: {listed}."
    )
    failures = sorted(visit.start for visit in visits if visit.error)
    if not failures:
        return f"{text} None failed."
    when = f"{failures[0]:.1f} s and {failures[-1]:.1f} s"
    gap = longest_silence(visits.answered)
    return f"{text} {len(failures):,} failed, between {when}; the longest time without an answer was {gap:.2f} s."


def longest_silence(answered: Sequence[Visit]) -> float:
    """The longest time between two answers that followed each other, in seconds."""
    ends = sorted(visit.start + visit.seconds for visit in answered)
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)
