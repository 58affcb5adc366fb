"""Digits in the texts of objects may be any number of digits."""

import pytest

from pocket_cluster.api.numbers import LARGEST, whole_number

NUMBERS = {
    "0": 0, "007": 7, "65536": 65536, "9" * 18: 10**18 - 1, str(LARGEST): LARGEST, str(LARGEST + 1): LARGEST,
    "9" * 5000: LARGEST, "0" * 5000: 0, "": None, "-1": None, "+1": None, "1.5": None, " 1": None, "1_0": None,
    "²": None, "٣": None, "1\n": None,
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_whole_number_is_at_most_what_go_holds(text: str) -> None:
    assert whole_number(text) == NUMBERS[text]
