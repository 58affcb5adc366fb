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
# Fewer steps than this for each pod are mostly first meetings: they say nothing about an order.
MOST_NEW = 3
ROUND_ROBIN, RANDOM, UNDECIDED = "round-robin", "random", "undecided"


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
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def clustered(clusters: Sequence[tuple[float, float]], confidence: float = CONFIDENCE) -> Interval:
    """The interval of a share whose observations come in clusters: ``(count, total)`` of each.

    Requests that share a connection go to the same pod, so a connection's requests tell hardly more than one of them.
    The effective number of observations follows from how much the clusters differ (the linearised variance of a ratio
    estimator), and never exceeds what independent observations would give. It is at least that of clusters that are
    each all or nothing, as kept-alive connections are.
    """
    total = sum(size for _, size in clusters)
    count = sum(hits for hits, _ in clusters)
    if total <= 0:
        return Interval(0.0, 0.0, 1.0)
    share = count / total
    number = effective_number(clusters)
    bounds = wilson(share * number, number, confidence)
    return Interval(share, bounds.low, bounds.high)


def effective_number(clusters: Sequence[tuple[float, float]]) -> float:
    """How many independent observations the clusters are worth."""
    total = sum(size for _, size in clusters)
    share = sum(hits for hits, _ in clusters) / total
    independent = [size for _, size in clusters if size]
    all_or_nothing = total * total / sum(size * size for size in independent)
    is_mixed = any(0 < hits < size for hits, size in clusters)
    if not is_mixed or len(independent) < 2 or share in (0.0, 1.0):
        return all_or_nothing
    squares = sum((hits - share * size) ** 2 for hits, size in clusters)
    variance = squares * len(independent) / (len(independent) - 1) / total**2
    if not variance:
        return total
    return min(total, max(all_or_nothing, share * (1 - share) / variance))


class Match(NamedTuple):
    """Whether a share can be what was expected: ``fits``, ``differs`` or ``too few``."""

    verdict: str
    sentence: str


def matches(count: float, total: float, expected: float, precision: float = 0.1) -> Match:
    """Compare a share of ``total`` independent observations with an expected one.

    ``differs`` is wrong once in a million times. ``fits`` is said only when the observations were enough to notice a
    difference of ``precision`` most of the time, else ``too few``.
    """
    percent = f"{100 * expected:.0f} %"
    if total <= 0:
        return Match("too few", f"Nothing was observed, so nothing can be said about {percent}.")
    share = count / total
    bounds = wilson(count, total, 1 - ERROR_RATE)
    seen = f"{100 * share:.1f} % of {total:.0f}"
    if not bounds.low <= expected <= bounds.high:
        return Match(
            "differs", f"{seen} is not {percent}: chance alone would show that less than once in a million runs."
        )
    needed = observations_needed(expected, min(1.0, expected + precision) if expected < 0.5 else expected - precision)
    if total < needed:
        return Match("too few", f"{seen} may be {percent}, but it takes about {needed} to tell.")
    return Match("fits", f"{seen} fits {percent}.")


def observations_needed(one: float, other: float, error_rate: float = 0.05) -> int:
    """How many independent observations tell two shares apart, with that risk of either mistake."""
    if one == other:
        raise ValueError("two equal shares cannot be told apart")
    z = NormalDist().inv_cdf(1 - error_rate / 2) * math.sqrt(one * (1 - one))
    z += NormalDist().inv_cdf(1 - error_rate) * math.sqrt(other * (1 - other))
    return math.ceil((z / (one - other)) ** 2)


class Order(NamedTuple):
    """In which order pods answered, and the evidence."""

    verdict: str
    sentence: str


def order(sequence: Sequence[Hashable]) -> Order:
    """Whether pods that answered new connections one after the other took turns or were drawn at random.

    In turns each of n pods answers once in every n connections, so a pod is followed by itself never, and by the one
    that followed it before always. At random the next pod is the last one again with probability 1/n. The verdict
    compares both: a sequence is round-robin when chance would hardly ever follow the cycle so often, and random when
    turns, even disturbed ones, would hardly ever break it so often.
    """
    pods = sorted(set(sequence), key=str)
    number, steps = len(pods), len(sequence) - 1
    if number < 2 or steps < 1:
        return Order(UNDECIDED, "One pod answered everything, so there was no order to see.")
    kept = _steps_in_turn(sequence)
    repeats = sum(a == b for a, b in pairwise(sequence))
    judged = steps - (number - 1)
    evidence = f"the same pod followed itself {repeats} of {steps} times"
    if steps < MOST_NEW * number:
        return Order(UNDECIDED, f"Undecided: {evidence}; it takes more connections to tell.")
    if judged > 0 and _at_least(judged, kept, 1 / number) * math.factorial(number - 1) < ERROR_RATE:
        return Order(ROUND_ROBIN, f"In turns: {evidence}, and the pods kept one order {kept} of {judged} times.")
    # Turns that somebody else's connections disturb now and then still keep most of their steps.
    if judged > 0 and _at_most(judged, kept, 0.9) < ERROR_RATE and _at_most(steps, repeats, 1 / number) > ERROR_RATE:
        return Order(RANDOM, f"At random: {evidence}; in turns it would be 0, at random about {steps / number:.0f}.")
    return Order(UNDECIDED, f"Undecided: {evidence}; it takes more connections to tell.")


def _steps_in_turn(sequence: Sequence[Hashable]) -> int:
    """How many steps go from a pod to the one that most often follows it, if that makes one cycle of all pods."""
    follows: dict[Hashable, Counter[Hashable]] = {}
    for a, b in pairwise(sequence):
        follows.setdefault(a, Counter())[b] += 1
    usual = {a: counts.most_common(1)[0][0] for a, counts in follows.items()}
    if len(set(usual.values())) < len(usual) or any(a == b for a, b in usual.items()):
        usual = _any_cycle(sorted(set(sequence), key=str))
    kept = sum(follows[a][b] for a, b in usual.items() if a in follows)
    return max(0, kept - (len(usual) - 1))


def _any_cycle(pods: list[Hashable]) -> dict[Hashable, Hashable]:
    return dict(zip(pods, [*pods[1:], pods[0]], strict=True))


def _at_least(trials: int, successes: int, chance: float) -> float:
    """The probability of so many successes or more (binomial)."""
    return _sum_of_terms(trials, range(successes, trials + 1), chance)


def _at_most(trials: int, successes: int, chance: float) -> float:
    return _sum_of_terms(trials, range(0, successes + 1), chance)


def _sum_of_terms(trials: int, successes: range, chance: float) -> float:
    logs = [_log_term(trials, each, chance) for each in successes]
    highest = max(logs, default=-math.inf)
    if highest == -math.inf:
        return 0.0
    return min(1.0, math.exp(highest) * sum(math.exp(each - highest) for each in logs))


def _log_term(trials: int, successes: int, chance: float) -> float:
    combinations = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return combinations + successes * math.log(chance) + (trials - successes) * math.log1p(-chance)
