"""How many requests are enough to tell one share from another, with what that number rests on."""

from __future__ import annotations

from typing import NamedTuple

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.printing import fold
from kubechaos_helpers.statistics import ERROR_RATE, MISS_RATE, requests_needed


class Enough(NamedTuple):
    """A number of requests, and the sentence that says what it is good for."""

    number: int
    sentence: str

    def __repr__(self) -> str:
        return fold(self.sentence)


def requests_to_tell(one: float, other: float, false_alarm: float = ERROR_RATE, missed: float = MISS_RATE) -> Enough:
    """How many requests tell a share of ``one`` from a share of ``other``, both between 0 and 1.

    ``false_alarm`` is how often a share of ``one`` may be called different though it is not, on either side (the test
    is two-sided); ``missed`` how often a share of ``other`` may go unnoticed. Each request must have a connection of
    its own: those that share one go to the same pod and count as one. The number rests on the normal approximation of
    the binomial distribution: below a hundred requests, half as many again may go unnoticed.
    """
    shares, risks = (one, other), (false_alarm, missed)
    if not all(0 <= share <= 1 for share in shares):
        raise CourseError(f"A share lies between 0 and 1, so write 0.75 for 75 %; these are {one!r} and {other!r}.")
    if one == other:
        raise CourseError(f"Two shares of {one!r} are the same: no number of requests tells them apart.")
    if not all(0 < risk < 1 for risk in risks):
        raise CourseError(f"A risk lies between 0 and 1, such as 0.05; these are {false_alarm!r} and {missed!r}.")
    number = requests_needed(one, other, false_alarm, missed)
    return Enough(
        number,
        f"It takes about {_about(number):,} requests, each on a connection of its own, to tell {_percent(one)} from"
        f" {_percent(other)}: then {_percent(one)} is taken for something else once in {1 / false_alarm:,.0f} times,"
        f" and {_percent(other)} goes unnoticed once in {1 / missed:,.0f}.",
    )


def _about(number: int) -> int:
    """With two digits that count."""
    return round(number, 2 - len(str(number)))


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
