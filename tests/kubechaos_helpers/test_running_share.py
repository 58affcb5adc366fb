"""How a share settles, and what a class counted together."""

from __future__ import annotations

import pytest

from kubechaos_helpers import CourseError, Visits
from kubechaos_helpers.course.pool import show_pool
from kubechaos_helpers.running_share import running_shares, show
from kubechaos_helpers.visits import Visit


def visits(answers: str, requests: int = 1) -> Visits:
    """Connections that a ``c``ustom or an ``o``riginal pod answered, one after the other."""
    rows = [(number, request, pod) for number, pod in enumerate(answers) for request in range(1, requests + 1)]
    found = [Visit(number + request / 100, 0.001, 0, number, request, pod, 200, 1, "") for number, request, pod in rows]
    return Visits(found, {"c": "custom", "o": "original"})


def test_each_connection_counts_once_whatever_it_carried() -> None:
    for requests in (1, 5):
        shares = running_shares(visits("coco", requests), "custom")
        assert [round(each.share, 2) for each in shares] == [1.0, 0.5, 0.67, 0.5]


def test_the_interval_shrinks_and_the_reading_says_so() -> None:
    chart = show(visits("cccoc" * 20), "custom", 0.75, None)
    assert chart.table.splitlines()[0].split() == ["CONNECTIONS", "SHARE", "95", "%", "INTERVAL"]
    assert [line.split()[0] for line in chart.table.splitlines()[1:]] == ["10", "30", "100"]
    assert chart.reading.endswith("Expected: 75.0 %; measured: 80.0 %.")


def test_nobody_answered_is_said() -> None:
    assert show(visits(""), "custom", 0.75, None).reading == "Nobody answered, so there is no share."


def test_counts_are_pooled() -> None:
    chart = show_pool([14, 16, 15, 15], requests=20, share=0.75)
    assert chart.reading == (
        "The counts reach from 14 to 16, with a mean of 15.0; 75 % of 20 would be 15.0."
        " All 4 together are 60 of 80 connections, 75.0 %."
    )
    assert "15      2          0.8" in chart.table


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [([], "There is nothing to pool yet."), ([21], "21 cannot be a count out of 20."), (["12"], "'12' cannot be")],
)
def test_what_cannot_be_pooled_is_said(counts: list[int], sentence: str) -> None:
    with pytest.raises(CourseError, match=sentence):
        show_pool(counts)
