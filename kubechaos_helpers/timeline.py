"""The timeline of what happened behind a Service: pods by phase, failures, and requests per second, on one axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kubechaos_helpers import lost, phases, traffic
from kubechaos_helpers.chart import Chart, blank_figure, open_frame
from kubechaos_helpers.phases import LISTED_READY, PHASES, READY, Span
from kubechaos_helpers.printing import align
from kubechaos_helpers.style import FAILED, Look, looks
from kubechaos_helpers.visits import NO_VERSION, Visits, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

    from kubechaos_helpers.story import Told

PHASE_LOOKS = {
    phases.PENDING: Look("white", ""),
    phases.RUNNING: Look("#d9d9d9", ""),
    phases.TERMINATING: Look("#595959", ""),
    phases.DOWN: Look("white", "xxx"),
    phases.NOT_SELECTED: Look("white", "|||"),
}
LISTED_LABEL = "ready in the EndpointSlice"
LISTED_LOOK = Look("black", "")
# In rows, and in inches.
BAR_HEIGHT, LISTED_HEIGHT = 0.52, 0.1
ROW_INCHES, BELOW_INCHES = 0.36, 1.5


def show_story(told: Told, visits: Visits) -> Chart:
    """One row for each pod, a row of failures, and below them requests per second by version."""
    failed = lost.find(told, visits)
    row_inches = ROW_INCHES * (len(told.pods) + 1)
    figure = blank_figure(row_inches + BELOW_INCHES + 1.7)
    rows, below = figure.subplots(2, 1, sharex=True, height_ratios=[row_inches, BELOW_INCHES])
    _draw_pods(rows, told, visits)
    _draw_failures(rows, failed, len(told.pods))
    _name_rows(rows, [*(short_name(pod, told) for pod in told.pods), traffic.FAILURES])
    rows.set_title(f"What happened behind {told.service}", loc="left")
    rows.tick_params(labelbottom=False)
    traffic.draw_rates(below, visits, "version", 0.0, traffic.duration(visits))
    below.set_xlabel("seconds since the probe began")
    for axes in (rows, below):
        axes.grid(axis="x", color="#cccccc", linewidth=0.8)
        axes.set_axisbelow(True)
    entries = _entries(told, visits, bool(failed))
    figure.legend(handles=entries, loc="outside lower center", ncols=3, frameon=False)
    return Chart(figure, reading(told, failed), table(told, visits, failed))


def short_name(pod: str, told: Told) -> str:
    """A row's name: the version and the last part of the pod's own name."""
    return f"{told.version_of.get(pod, '')} {lost.short_name(pod)}".strip()


def _draw_pods(axes: Axes, told: Told, visits: Visits) -> None:
    look = looks(list(told.pods), visits.version_of)
    for place, (pod, past) in enumerate(told.pods.items()):
        for span in past:
            drawn = look[pod] if span.state == READY else PHASE_LOOKS[span.state]
            _draw_span(axes, span, visits.started, place - BAR_HEIGHT / 2, BAR_HEIGHT, drawn)
        for span in told.listed.get(pod, []):
            if span.state == LISTED_READY:
                _draw_span(axes, span, visits.started, place + BAR_HEIGHT / 2 + 0.04, LISTED_HEIGHT, LISTED_LOOK)


def _draw_span(axes: Axes, span: Span, started: float, low: float, height: float, look: Look) -> None:
    axes.broken_barh(
        [(span.begin - started, span.end - span.begin)],
        (low, height),
        facecolor=look.colour,
        hatch=look.hatch,
        edgecolor=look.line,
        linewidth=0.6,
    )


def _draw_failures(axes: Axes, failed: lost.LostVisits, place: int) -> None:
    """A mark where each was sent, and a line for as long as its visitor waited in vain."""
    begins, ends = [each.at for each in failed], [each.at + each.seconds for each in failed]
    axes.plot(begins, [place] * len(begins), "|", color="black", markersize=14, markeredgewidth=2)
    axes.hlines([place] * len(begins), begins, ends, color="black", linewidth=1.5)


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    open_frame(axes)


def _entries(told: Told, visits: Visits, has_failures: bool) -> list[Patch]:
    """The legend: what each bar and area means, of those that are drawn."""
    from matplotlib.patches import Patch

    seen = {span.state for past in told.pods.values() for span in past}
    versions = sorted({visits.version_of.get(pod, NO_VERSION) for pod in told.pods})
    meanings = {f"{version}: ready; below, answers": look for version, look in looks(versions, {}).items()}
    meanings |= {state: PHASE_LOOKS[state] for state in PHASES if state in seen and state != READY}
    meanings |= {LISTED_LABEL: LISTED_LOOK}
    meanings |= {traffic.FAILURES: FAILED} if has_failures else {}
    return [
        Patch(facecolor=look.colour, hatch=look.hatch, edgecolor=look.line, label=meaning)
        for meaning, look in meanings.items()
    ]


def table(told: Told, visits: Visits, failed: Iterable[lost.LostVisit]) -> str:
    """Each pod with its version, when it was ready, and how many requests it answered and failed."""
    answered = Counter(visit.pod for visit in visits.answered)
    failures = Counter(each.pod for each in failed)
    rows = [("POD", "VERSION", "READY FROM … TO", "REQUESTS", "FAILURES")]
    for pod, past in told.pods.items():
        version = visits.version_of.get(pod, "<none>")
        rows.append(
            (pod, version, _ready_times(told, past, visits.started), f"{answered[pod]:,}", f"{failures[pod]:,}")
        )
    others = sum(count for pod, count in failures.items() if pod not in told.pods)
    if others:
        rows.append(("(nobody answered)", "", "", "", f"{others:,}"))
    return align(rows)


def _ready_times(told: Told, past: list[Span], started: float) -> str:
    """Such as ``start … 3.1 s``; a pod that was there before, or is there still, has no other bounds."""
    times = []
    for span in past:
        if span.state == READY:
            begin = "start" if span.begin <= max(told.begin, started) else f"{span.begin - started:.1f} s"
            times.append(f"{begin} … " + ("end" if span.end >= told.end else f"{span.end - started:.1f} s"))
    return ", ".join(times) or "never"


def reading(told: Told, failed: lost.LostVisits) -> str:
    """What failed, and how many pods came and went."""
    came = sum(past[0].begin > told.begin for past in told.pods.values())
    went = sum(past[-1].end < told.end for past in told.pods.values())
    return f"{failed.reading()} {came} {plural(came, 'pod')} came and {went} went meanwhile."
