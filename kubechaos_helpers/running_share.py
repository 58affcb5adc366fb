"""The law of large numbers as a chart: how a share settles, and how its interval shrinks, connection by connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubechaos_helpers.chart import Chart, new_figure
from kubechaos_helpers.printing import align
from kubechaos_helpers.statistics import Interval, wilson
from kubechaos_helpers.style import looks
from kubechaos_helpers.visits import Visits, percent

if TYPE_CHECKING:
    from kubechaos_helpers.course.prediction import Prediction

HEIGHT_IN_ROWS = 4
TOLD_AFTER = (10, 30, 100, 300, 1000, 3000)


def running_shares(visits: Visits, name: str) -> list[Interval]:
    """The share of a version after the first connection, after two, and so on; empty without answers."""
    firsts: dict[int, bool] = {}
    for visit in sorted(visits.answered, key=lambda visit: visit.start):
        firsts.setdefault(visit.connection, visits.name_of(visit, "version") == name)
    found, count = [], 0
    for total, is_it in enumerate(firsts.values(), 1):
        count += is_it
        found.append(wilson(count, total))
    return found


def show(visits: Visits, name: str, expected: float | None, prediction: Prediction | None) -> Chart:
    """The share after each connection on a logarithmic axis, its interval as a band, what was expected as a line."""
    shares = running_shares(visits, name)
    figure, axes = new_figure(HEIGHT_IN_ROWS)
    numbers = range(1, len(shares) + 1)
    look = looks([name], {})[name]
    low, high = ([100 * getattr(each, bound) for each in shares] for bound in ("low", "high"))
    axes.fill_between(numbers, low, high, facecolor=look.colour, hatch=look.hatch, alpha=0.35, label="95 % interval")
    axes.plot(numbers, [100 * each.share for each in shares], color="black", linewidth=1.5, label="share so far")
    if expected is not None:
        axes.axhline(100 * expected, color="black", linestyle=":", label="expected")
    if prediction is not None and prediction.share is not None:
        axes.axhline(100 * prediction.share, color="black", linestyle="--", label="predicted")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(1, max(10, len(shares)))
    axes.set_ylim(0, 100)
    axes.set_xlabel("connections so far")
    axes.set_ylabel("per cent")
    axes.set_title(f"Share of {name} as connections add up", loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    said = f" {prediction.reading()}" if prediction else ""
    return Chart(figure, reading(shares, name, expected) + said, table(shares))


def table(shares: list[Interval]) -> str:
    """The share after 10, 30, 100 … connections and after all."""
    rows = [("CONNECTIONS", "SHARE", "95 % INTERVAL")]
    for number in (*(each for each in TOLD_AFTER if each < len(shares)), len(shares)):
        if number:
            each = shares[number - 1]
            rows.append((str(number), percent(each.share), f"{percent(each.low)} to {percent(each.high)}"))
    return align(rows)


def reading(shares: list[Interval], name: str, expected: float | None) -> str:
    """How wide the interval was at first and in the end, and what was expected.

    One interval of 95 % in twenty misses the true share: the distribution's ``matches`` judges, not this.
    """
    if not shares:
        return "Nobody answered, so there is no share."
    early, last = shares[min(10, len(shares)) - 1], shares[-1]
    text = (
        f"After {min(10, len(shares))} connections the share of {name} lay between {percent(early.low)} and"
        f" {percent(early.high)}, after {len(shares)} between {percent(last.low)} and {percent(last.high)}."
    )
    if expected is None:
        return text
    return f"{text} Expected: {percent(expected)}; measured: {percent(last.share)}."
