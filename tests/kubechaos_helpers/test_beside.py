"""Runs of the same pod, measured here, beside a recording of a real kube-proxy."""

from __future__ import annotations

import random

import pytest

from kubechaos_helpers import CourseError, Visits, page, recording
from kubechaos_helpers.course.beside import by_chance, runs
from kubechaos_helpers.visits import Visit


def visits(pods: str, number_on_connection: int = 1) -> Visits:
    rows = enumerate(pod for pod in pods for _ in range(number_on_connection))
    return Visits([Visit(at / 10, 0.01, 0, at // number_on_connection, 1, pod, 200, 1, "") for at, pod in rows])


def test_runs_are_counted_by_length_and_long_ones_together() -> None:
    assert runs(visits("aab" + "a" * 9 + "b" * 20)).shares == [0.25, 0.25, 0, 0, 0, 0, 0, 0.5]


def test_what_shares_a_connection_was_chosen_once() -> None:
    assert runs(visits("abababab", 3)).shares[0] == 1


@pytest.mark.parametrize("pods", [2, 4])
def test_chance_gives_each_length_its_share(pods: int) -> None:
    assert sum(by_chance(pods)) == pytest.approx(1)
    dice = random.Random(4)
    thrown = runs(visits("".join(dice.choice("abcd"[:pods]) for _ in range(40_000)))).shares
    assert thrown == pytest.approx(by_chance(pods), abs=0.01)


def test_random_choices_look_like_the_recording() -> None:
    dice = random.Random(1)
    chart = page.show_beside(visits("".join(dice.choice("ab") for _ in range(1000))), recording("iptables-1-1"))
    assert chart.reading.startswith("Both look random. Measured: At random: 2 pods, and one followed itself ")
    assert " Recorded: At random: 2 pods, " in chart.reading
    assert len(chart.table.splitlines()) == 9


def test_turns_do_not_look_like_the_recording() -> None:
    chart = page.show_beside(visits("ab" * 500), recording("iptables-1-1"))
    assert chart.reading.startswith("What was measured goes in turns; the recording looks random. Measured: In turns: ")
    heading, alone, *longer = chart.table.splitlines()
    assert heading == "RUN         MEASURED HERE   AT RANDOM   REAL KUBE-PROXY   AT RANDOM"
    assert alone.startswith("1           100.0 %         50.0 %      ")
    assert all("  0.0 %  " in line for line in longer)


@pytest.mark.parametrize(("pods", "seen"), [("a" * 20, "1 over 20"), ("abab", "2 over 4"), ("", "0 over 0")])
def test_too_little_to_compare_is_a_sentence(pods: str, seen: str) -> None:
    with pytest.raises(CourseError, match=f"here it was {seen}. Probe with keep_alive=False"):
        page.show_beside(visits(pods), recording("iptables-1-1"))
