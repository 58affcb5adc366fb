"""Traffic over time: requests per second by version, failures as a series of their own."""

from __future__ import annotations

import pytest

from kubechaos_helpers import CourseError, Visits
from kubechaos_helpers.traffic import edges_of, rates
from kubechaos_helpers.visits import Visit

VERSIONS = {"pod-a": "original", "pod-b": "custom"}


def visit(at: float, pod: str = "", error: str = "") -> Visit:
    return Visit(at, 0.1, 0, int(at * 1000), 1, pod, 0 if error else 200, 10, error)


# Ten a second for four seconds, three quarters custom; the new pod is silent for half a second.
ROWS = [visit(number / 10, "pod-a" if number % 4 == 0 else "pod-b") for number in range(40)]
BROKEN = [visit(each.start, error="no answer") if 2 <= each.start < 2.5 else each for each in ROWS]


def test_the_table_and_the_reading_tell_who_answered_and_what_failed() -> None:
    chart = Visits(BROKEN, VERSIONS).show_over_time()
    assert chart.table.splitlines() == [
        "VERSION    REQUESTS   SHARE    PER SECOND   FIRST   LAST",
        "custom     27         67.5 %   6.8          0.1 s   3.9 s",
        "original   8          20.0 %   2.0          0.0 s   3.6 s",
        "failed     5          12.5 %   1.2          2.0 s   2.4 s",
    ]
    assert chart.reading == (
        "In 4.0 s 40 requests were sent, 10 a second; 35 were answered: custom 77.1 %, original 22.9 %."
        " 5 failed, between 2.0 s and 2.4 s; the longest time without an answer was 0.60 s."
    )


def test_when_nothing_failed_there_is_no_series_of_failures() -> None:
    chart = Visits(ROWS, VERSIONS).show_over_time("pod")
    assert chart.reading.endswith("40 were answered: pod-a 25.0 %, pod-b 75.0 %. None failed.")
    assert "failed" not in chart.table


def test_rates_count_each_request_in_the_step_in_which_it_was_sent() -> None:
    found = rates(Visits(BROKEN, VERSIONS), "version", [0, 2, 2.5, 4])
    assert found == {"custom": [7.5, 0, 8], "original": [2.5, 0, 2], "failed": [0, 10, 0]}


@pytest.mark.parametrize(
    ("seconds", "number", "first"), [(0.4, 4, 0.1), (4.03, 20, 0.2), (19.8, 40, 0.5), (60, 30, 2), (600, 20, 30)]
)
def test_steps_are_round_and_few_enough_to_see(seconds: float, number: int, first: float) -> None:
    edges = edges_of(0, seconds)
    assert (len(edges) - 1, edges[1], edges[-1]) == (number, first, seconds)


@pytest.mark.parametrize(
    ("visits", "reading"),
    [([], "There were no visits."), ([visit(1, error="no answer")], "Nobody answered: 1 visit, once no answer.")],
)
def test_no_answers_make_a_chart_that_says_so(visits: list[Visit], reading: str) -> None:
    assert Visits(visits, VERSIONS).show_over_time().reading == reading


def test_one_can_see_versions_or_pods() -> None:
    with pytest.raises(CourseError, match="by version or by pod, not by 'colour'"):
        Visits(ROWS, VERSIONS).show_over_time("colour")
