"""What a number of observations lets one say. Pure; only the standard library.

Verdicts err at most about once in a million times (``ERROR_RATE``), so that a correct page never fails by chance.
Intervals for reading are the usual 95 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

ERROR_RATE = 1e-6
CONFIDENCE = 0.95
# How often a difference that matters may be missed before "fits" is said.
MISS_RATE = 0.05
# Fewer clusters than this say too little of how much clusters differ.
ENOUGH_CLUSTERS = 10
# Turns of which other people's connections disturb a tenth still keep at least this part of their steps to a cycle that
# was learned from steps as disturbed, when each pod was seen about so many times.
KEPT_IN_TURNS = 0.8
LEARNED_VISITS = 5
ROUND_ROBIN, RANDOM, UNDECIDED = "round-robin", "random", "undecided"
FITS, DIFFERS, TOO_FEW = "fits", "differs", "too few"


class Interval(NamedTuple):
    """A share between 0 and 1 with the bounds that it lies within."""

    share: float
    low: float
    high: float


def wilson(count: float, total: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval for a share of independent observations. Without any, everything is possible."""
    if total <= 0:
        return Interval(0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def clustered(clusters: Sequence[tuple[float, float]], confidence: float = CONFIDENCE) -> Interval:
    """The interval of a share whose observations come in clusters: ``(count, total)`` of each.

    Requests that share a connection go to the same pod, so a connection's requests tell hardly more than one of them,
    and a single connection tells nothing at all about a split.
    """
    counted = [(hits, size) for hits, size in clusters if size > 0]
    total = sum(size for _, size in counted)
    if not total:
        return Interval(0.0, 0.0, 1.0)
    share = sum(hits for hits, _ in counted) / total
    if len(counted) == 1:
        return Interval(share, 0.0, 1.0)
    number = effective_number(counted)
    return Interval(share, *wilson(share * number, number, confidence)[1:])


def effective_number(clusters: Sequence[tuple[float, float]]) -> float:
    """How many independent observations the clusters, one or more, are worth.

    At least as many as clusters that are each all or nothing (Kish: total² / sum of squared sizes), at most one for
    each observation; between the two it follows from how much the clusters differ (the linearised variance of a
    ratio), when there are enough of them to tell.
    """
    sizes = [size for _, size in clusters if size > 0]
    total = sum(sizes)
    share = sum(hits for hits, _ in clusters) / total
    all_or_nothing = total * total / sum(size * size for size in sizes)
    is_mixed = any(0 < hits < size for hits, size in clusters)
    if not is_mixed or len(sizes) < ENOUGH_CLUSTERS:
        return all_or_nothing
    squares = sum((hits - share * size) ** 2 for hits, size in clusters)
    variance = squares * len(sizes) / (len(sizes) - 1) / total**2
    return min(total, max(all_or_nothing, share * (1 - share) / variance)) if variance else total


# --- does a share fit what was expected?


class Match(NamedTuple):
    """Whether a share can be what was expected: ``fits``, ``differs`` or ``too few``."""

    verdict: str
    sentence: str


def matches(
    count: float, total: float, expected: float, precision: float = 0.1, error_rate: float = ERROR_RATE
) -> Match:
    """Compare a share of ``total`` independent observations with an expected one, by exact binomial chances.

    ``differs`` is wrong with ``error_rate`` at most. ``fits`` is said only when a difference of ``precision``
    would have been found in 19 of 20 runs, else ``too few``. Effective numbers need not be whole: they are rounded
    towards what was expected.
    """
    if not 0 <= expected <= 1:
        raise ValueError(f"a share lies between 0 and 1: {expected}")
    percent = f"{100 * expected:.0f} %"
    trials = math.floor(total + 1e-9)
    if trials < 1:
        return Match(TOO_FEW, f"Nothing was observed, so nothing can be said about {percent}.")
    share = count / total
    seen = f"{100 * share:.1f} % of {trials}"
    if chance_of(_towards(share * trials, expected * trials), trials, expected) < error_rate:
        rarity = f"less than once in {1 / error_rate:,.0f} runs"
        return Match(DIFFERS, f"{seen} is not {percent}: chance alone would do that {rarity}.")
    other = expected + precision if expected < 0.5 else expected - precision
    needed = requests_needed(expected, other, error_rate)
    if trials < needed:
        return Match(TOO_FEW, f"{seen} may be {percent}, but it takes about {needed} to tell.")
    return Match(FITS, f"{seen} fits {percent}.")


def _towards(value: float, goal: float) -> int:
    """The next whole number to ``value``, on the side of ``goal``."""
    return math.ceil(value - 1e-9) if value < goal else math.floor(value + 1e-9)


def chance_of(successes: int, trials: int, chance: float) -> float:
    """How likely a count as far out as this one is, on either side (twice the smaller binomial tail)."""
    tails = at_most(successes, trials, chance), at_least(successes, trials, chance)
    return min(1.0, 2 * min(tails))


def requests_needed(one: float, other: float, error_rate: float = ERROR_RATE, miss_rate: float = MISS_RATE) -> int:
    """How many independent observations tell share ``one`` from share ``other``.

    ``error_rate`` is the risk of a difference where there is none, ``miss_rate`` that of none where there is one.
    """
    if one == other:
        raise ValueError("two equal shares cannot be told apart")
    normal = NormalDist()
    sure = normal.inv_cdf(1 - error_rate / 2) * math.sqrt(one * (1 - one))
    found = normal.inv_cdf(1 - miss_rate) * math.sqrt(other * (1 - other))
    return max(1, math.ceil(((sure + found) / (one - other)) ** 2))


# --- in turns or at random?


class Order(NamedTuple):
    """In which order pods answered, and the evidence."""

    verdict: str
    sentence: str


def order(sequence: Sequence[Hashable], error_rate: float = ERROR_RATE) -> Order:
    """Whether pods that answered new connections one after the other took turns or were drawn at random.

    In turns, each pod is always followed by the same other one. So the first half shows who follows whom, and the
    second half puts that to the test: in turns (nearly) every step keeps to it, at random one in n does, whatever the
    first half suggested. ``round-robin`` is said when chance would hardly ever keep to it so often; ``random`` when
    turns, even with a tenth of the steps disturbed, would hardly ever break it so often, and pods follow themselves as
    often as chance has it. Either is wrong with ``error_rate`` at most.
    """
    pods = len(set(sequence))
    if not pods:
        return Order(UNDECIDED, "Nobody answered, so there was no order to see.")
    if pods == 1:
        return Order(UNDECIDED, "One pod answered everything, so there was no order to see.")
    middle = len(sequence) // 2
    next_one = _cycle(sequence[: middle + 1])
    tested = [(pod, following) for pod, following in pairwise(sequence[middle:]) if pod in next_one]
    kept = sum(next_one[pod] == following for pod, following in tested)
    steps = len(sequence) - 1
    repeats = sum(pod == following for pod, following in pairwise(sequence))
    evidence = f"{pods} pods, and one followed itself {repeats} of {steps} times"
    if at_least(kept, len(tested), 1 / pods) < error_rate:
        return Order(ROUND_ROBIN, f"In turns: {evidence}; {kept} of the last {len(tested)} steps kept to one cycle.")
    breaks_turns = middle >= LEARNED_VISITS * pods and at_most(kept, len(tested), KEPT_IN_TURNS) < error_rate
    if breaks_turns and chance_of(repeats, steps, 1 / pods) >= error_rate:
        return Order(RANDOM, f"At random: {evidence}; in turns it would be 0, at random about {steps / pods:.0f}.")
    return Order(UNDECIDED, f"Undecided: {evidence}; it takes more connections to tell.")


def _cycle(sequence: Sequence[Hashable]) -> dict[Hashable, Hashable]:
    """Who follows whom, as one cycle: the most frequent steps first, none that would close a shorter circle."""
    steps = Counter((a, b) for a, b in pairwise(sequence) if a != b)
    number = len(set(sequence))
    next_one: dict[Hashable, Hashable] = {}
    followers: set[Hashable] = set()
    for (a, b), _ in steps.most_common():
        if a in next_one or b in followers:
            continue
        if _end_of_chain(b, next_one) == a and len(next_one) < number - 1:
            continue
        next_one[a] = b
        followers.add(b)
    return next_one


def _end_of_chain(pod: Hashable, next_one: dict[Hashable, Hashable]) -> Hashable:
    while pod in next_one:
        pod = next_one[pod]
    return pod


# --- binomial chances, exact


def at_least(successes: int, trials: int, chance: float) -> float:
    """The probability of so many successes or more."""
    return _sum_of_terms(range(successes, trials + 1), trials, chance)


def at_most(successes: int, trials: int, chance: float) -> float:
    """The probability of so many successes or fewer."""
    return _sum_of_terms(range(successes + 1), trials, chance)


def _sum_of_terms(counts: range, trials: int, chance: float) -> float:
    if chance in (0.0, 1.0):
        return 1.0 if round(chance * trials) in counts else 0.0
    logs = [_log_term(each, trials, chance) for each in counts]
    highest = max(logs, default=-math.inf)
    if highest == -math.inf:
        return 0.0
    return min(1.0, math.exp(highest) * math.fsum(math.exp(each - highest) for each in logs))


def _log_term(successes: int, trials: int, chance: float) -> float:
    combinations = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return combinations + successes * math.log(chance) + (trials - successes) * math.log1p(-chance)
