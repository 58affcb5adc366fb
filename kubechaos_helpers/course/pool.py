"""A class pools what each learner counted, and sees how far chance alone spreads the counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from kubechaos_helpers.chart import Chart, new_figure
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.printing import align
from kubechaos_helpers.style import KNOWN

HEIGHT_IN_ROWS = 4


def show_pool(counts: Sequence[int], requests: int = 20, share: float = 0.75) -> Chart:
    """A histogram of counts out of ``requests``, beside what chance alone gives at that share (0 to 1)."""
    wrong = [count for count in counts if not isinstance(count, int) or not 0 <= count <= requests]
    if wrong:
        raise CourseError(f"{wrong[0]!r} cannot be a count out of {requests}. Give whole numbers from 0 to {requests}.")
    if not counts:
        raise CourseError("There is nothing to pool yet. Put the counts into the list, such as [14, 16, 15].")
    found = Counter(counts)
    numbers = range(requests + 1)
    expected = [len(counts) * _chance(number, requests, share) for number in numbers]
    figure, axes = new_figure(HEIGHT_IN_ROWS)
    look = KNOWN["custom"]
    bars = [found[number] for number in numbers]
    axes.bar(numbers, bars, color=look.colour, hatch=look.hatch, edgecolor="black", label="counted")
    axes.plot(numbers, expected, color="black", marker="o", linestyle="--", label="by chance alone")
    axes.set_xticks(range(0, requests + 1, max(1, requests // 10)))
    axes.set_xlabel(f"of {requests} connections reached the custom version")
    axes.set_ylabel("learners")
    axes.set_title(f"{len(counts)} learners, {requests} connections each", loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return Chart(figure, reading(counts, requests, share), _table(found, expected))


def reading(counts: Sequence[int], requests: int, share: float) -> str:
    """From where to where the counts reach, their mean, and what was expected."""
    mean = sum(counts) / len(counts)
    return (
        f"The counts reach from {min(counts)} to {max(counts)}, with a mean of {mean:.1f}; {100 * share:.0f} % of"
        f" {requests} would be {share * requests:.1f}. All {len(counts)} together are {sum(counts)} of"
        f" {len(counts) * requests} connections, {100 * mean / requests:.1f} %."
    )


def _table(found: Counter[int], expected: Sequence[float]) -> str:
    rows = [("COUNT", "LEARNERS", "BY CHANCE")]
    seen = [number for number, chance in enumerate(expected) if found[number] or chance >= 0.05]
    return align([*rows, *((str(number), str(found[number]), f"{expected[number]:.1f}") for number in seen)])


def _chance(number: int, requests: int, share: float) -> float:
    return math.comb(requests, number) * share**number * (1 - share) ** (requests - number)
