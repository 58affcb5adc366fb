"""How many requests are enough: checked against simulated requests with a fixed seed."""

from __future__ import annotations

import random

import pytest

from kubechaos_helpers import CourseError, requests_to_tell
from kubechaos_helpers.statistics import DIFFERS, matches

RUNS = 1000


def test_the_sentence_says_what_the_number_rests_on() -> None:
    enough = requests_to_tell(0.75, 0.7)
    assert enough.number == 3300
    assert repr(enough).replace("\n", " ") == enough.sentence
    assert max(map(len, repr(enough).splitlines())) <= 110
    assert "about 1,000 requests" in requests_to_tell(0.75, 0.7, false_alarm=0.05).sentence
    assert enough.sentence == (
        "It takes about 3,300 requests, each on a connection of its own, to tell 75 % from 70 %: then 75 % is taken"
        " for something else once in 1,000,000 times, and 70 % goes unnoticed once in 20."
    )


@pytest.mark.parametrize(("one", "other"), [(0.75, 0.7), (0.7, 0.75), (0.5, 0.45)])
def test_so_many_simulated_requests_raise_no_more_false_alarms_and_miss_no_more_than_is_said(
    one: float, other: float
) -> None:
    false_alarm, missed, dice = 0.05, 0.1, random.Random(7)
    number = requests_to_tell(one, other, false_alarm, missed).number

    def called_different(truth: float) -> float:
        counts = (sum(dice.random() < truth for _ in range(number)) for _ in range(RUNS))
        return sum(matches(count, number, one, error_rate=false_alarm).verdict == DIFFERS for count in counts) / RUNS

    assert called_different(one) < 1.3 * false_alarm
    assert abs(called_different(other) - (1 - missed)) < 0.03


def test_closer_shares_and_smaller_risks_take_more() -> None:
    usual = requests_to_tell(0.75, 0.7, false_alarm=0.05, missed=0.2).number
    assert requests_to_tell(0.75, 0.74, false_alarm=0.05, missed=0.2).number > 20 * usual
    assert requests_to_tell(0.75, 0.7, false_alarm=0.01, missed=0.2).number > usual
    assert requests_to_tell(0.75, 0.7, false_alarm=0.05, missed=0.1).number > usual


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((75, 70), "write 0.75 for 75 %; these are 75 and 70"),
        ((0.7, 0.7), "Two shares of 0.7 are the same"),
        ((0.7, 0.6, 0), "A risk lies between 0 and 1"),
        ((0.7, 0.6, 0.05, 1.0), "A risk lies between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(arguments: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(CourseError, match=sentence):
        requests_to_tell(*arguments)
