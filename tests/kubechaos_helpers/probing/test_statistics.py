"""Intervals cover, verdicts err as seldom as they say, and nothing is claimed that was not observed."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechaos_helpers.statistics import (
    ERROR_RATE,
    at_least,
    at_most,
    chance_of,
    clustered,
    effective_number,
    matches,
    order,
    requests_needed,
    wilson,
)

# --- chances


@pytest.mark.parametrize(
    ("successes", "trials", "chance", "at_least_so_many"),
    [(0, 10, 0.5, 1.0), (10, 10, 0.5, 2**-10), (9, 10, 0.5, 11 * 2**-10), (1, 3, 1 / 3, 19 / 27), (2, 2, 1.0, 1.0)],
)
def test_binomial_chances_are_exact(successes, trials, chance, at_least_so_many):
    assert at_least(successes, trials, chance) == pytest.approx(at_least_so_many, rel=1e-12)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.001, 0.999))
def test_both_tails_together_are_everything(one, other, chance):
    successes, trials = sorted((one, other))
    total = at_most(successes, trials, chance) + at_least(successes + 1, trials, chance)
    assert total == pytest.approx(1, abs=1e-9)
    assert 0 <= chance_of(successes, trials, chance) <= 1


# --- intervals


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [  # the values that textbooks and other programs give for Wilson's score interval at 95 %
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (750, 1000, 0.7222, 0.7759),
    ],
)
def test_wilsons_interval(count, total, low, high):
    interval = wilson(count, total)
    assert interval.share == count / total
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_without_observations_everything_is_possible():
    assert wilson(0, 0) == clustered([]) == clustered([(0, 0)]) == (0.0, 0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share_and_stays_between_nothing_and_all(one, other):
    count, total = sorted((one, other))
    interval = wilson(count, total)
    assert 0 <= interval.low <= interval.share <= interval.high <= 1


def test_one_connection_says_nothing_about_the_split():
    assert clustered([(20, 20)]) == (1.0, 0.0, 1.0)


def test_kept_connections_count_as_many_as_they_are():
    connections = [(20, 20)] * 30 + [(0, 20)] * 10
    assert effective_number(connections) == 40
    assert clustered(connections) == wilson(30, 40)


def test_requests_each_on_a_connection_of_its_own_are_independent():
    assert clustered([(1, 1)] * 30 + [(0, 1)] * 10) == wilson(30, 40)


def test_connections_of_unequal_length_count_less():
    assert effective_number([(100, 100), *[(0, 1)] * 100]) < 4


def test_requests_that_are_spread_one_by_one_count_nearly_all():
    dice = random.Random(1)
    mixed = [(sum(dice.random() < 0.75 for _ in range(20)), 20) for _ in range(50)]
    assert effective_number(mixed) > 500


def test_few_mixed_connections_are_not_trusted():
    assert effective_number([(10, 20)] * 5) == 5


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)).map(sorted), min_size=1, max_size=40))
def test_clusters_are_worth_at_least_one_and_at_most_all_their_observations(clusters):
    number = effective_number([tuple(each) for each in clusters])
    assert 1 - 1e-9 <= number <= sum(size for _, size in clusters) + 1e-9


@pytest.mark.parametrize("expected", [0.25, 0.5, 0.75])
def test_the_interval_of_kept_connections_covers_the_truth_in_about_95_of_100_runs(expected):
    dice = random.Random(7)
    covered = 0
    for _ in range(1000):
        connections = [(20 * (dice.random() < expected), 20) for _ in range(60)]
        interval = clustered(connections)
        covered += interval.low <= expected <= interval.high
    assert chance_of(covered, 1000, 0.95) > ERROR_RATE  # neither too narrow nor too wide


# --- does a share fit?


@pytest.mark.parametrize(
    ("count", "total", "expected", "verdict"),
    [
        (750, 1000, 0.75, "fits"),
        (720, 1000, 0.75, "fits"),
        (600, 1000, 0.75, "differs"),
        (500, 1000, 0.75, "differs"),
        (15, 20, 0.75, "too few"),
        (10, 20, 0.75, "too few"),
        (0, 20, 0.75, "differs"),
        (0, 0, 0.75, "too few"),
        (1000, 1000, 1.0, "fits"),
        (999, 1000, 1.0, "differs"),
        (0, 1000, 0.0, "fits"),
        (30.0, 40.0, 0.75, "too few"),
    ],
)
def test_a_share_fits_differs_or_is_of_too_few(count, total, expected, verdict):
    assert matches(count, total, expected).verdict == verdict


def test_the_sentences_say_the_evidence():
    assert matches(750, 1000, 0.75).sentence == "75.0 % of 1000 fits 75 %."
    assert matches(500, 1000, 0.75).sentence == (
        "50.0 % of 1000 is not 75 %: chance alone would do that less than once in 1,000,000 runs."
    )
    assert matches(3, 4, 0.75).sentence == "75.0 % of 4 may be 75 %, but it takes about 843 to tell."
    assert matches(0, 0, 0.75).sentence == "Nothing was observed, so nothing can be said about 75 %."


def test_a_share_outside_nothing_and_all_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        matches(1, 2, 75)


@pytest.mark.parametrize(("chance", "trials"), [(0.1, 40), (0.5, 100), (0.75, 200)])
def test_a_share_is_called_different_no_more_often_than_the_error_rate_allows(chance, trials):
    dice, rate = random.Random(3), 0.01
    wrong = sum(
        matches(sum(dice.random() < chance for _ in range(trials)), trials, chance, error_rate=rate).verdict
        == "differs"
        for _ in range(2000)
    )
    assert at_least(wrong, 2000, rate) > ERROR_RATE


def test_a_difference_is_found_with_as_many_requests_as_are_said_to_be_needed():
    dice, rate = random.Random(5), 0.01
    needed = requests_needed(0.25, 0.5, rate, miss_rate=0.05)
    missed = sum(
        matches(sum(dice.random() < 0.5 for _ in range(needed)), needed, 0.25, error_rate=rate).verdict != "differs"
        for _ in range(1000)
    )
    assert missed < 120  # 5 % are announced; the normal approximation is good to a few more


def test_how_many_requests_tell_two_shares_apart():
    assert requests_needed(0.25, 0.5, 0.05, 0.05) == 45
    assert requests_needed(0.25, 0.5) == 139
    assert requests_needed(0.5, 0.75) > requests_needed(0.5, 0.9)
    with pytest.raises(ValueError, match="cannot be told apart"):
        requests_needed(0.5, 0.5)


# --- in turns or at random?


def in_turns(dice: random.Random, pods: int, visits: int, disturbed: float = 0.0) -> list[int]:
    """Turns in some order; now and then somebody else's connections take one to three of them."""
    cycle = list(range(pods))
    dice.shuffle(cycle)
    place, seen = dice.randrange(pods), []
    for _ in range(visits):
        seen.append(cycle[place % pods])
        place += 1 + (dice.randrange(1, 4) if dice.random() < disturbed else 0)
    return seen


def at_random(dice: random.Random, pods: int, visits: int) -> list[int]:
    return [dice.randrange(pods) for _ in range(visits)]


@pytest.mark.parametrize("pods", [2, 3, 4, 10, 50])
def test_a_thousand_connections_always_tell_turns_from_chance(pods):
    dice = random.Random(11)
    for _ in range(20):
        assert order(in_turns(dice, pods, 1000)).verdict == "round-robin"
        assert order(in_turns(dice, pods, 1000, disturbed=0.1)).verdict == "round-robin"
        assert order(at_random(dice, pods, 1000)).verdict == "random"


@pytest.mark.parametrize("pods", [2, 3, 7, 50])
@pytest.mark.parametrize("visits", [3, 10, 30, 60, 100, 200, 400])
def test_turns_are_never_called_random_nor_the_reverse_however_few_connections_there_are(pods, visits):
    dice = random.Random(13)
    for _ in range(30):
        assert order(in_turns(dice, pods, visits)).verdict != "random"
        assert order(in_turns(dice, pods, visits, disturbed=0.1)).verdict != "random"
        assert order(at_random(dice, pods, visits)).verdict != "round-robin"


@pytest.mark.parametrize(("pods", "visits"), [(2, 40), (3, 30), (4, 60), (10, 40)])
def test_chance_is_called_turns_no_more_often_than_the_error_rate_allows(pods, visits):
    dice, rate = random.Random(17), 0.01
    wrong = sum(order(at_random(dice, pods, visits), rate).verdict == "round-robin" for _ in range(2000))
    assert at_least(wrong, 2000, rate) > ERROR_RATE


@pytest.mark.parametrize(("pods", "visits"), [(2, 100), (3, 60), (4, 60)])
def test_disturbed_turns_are_called_random_no_more_often_than_the_error_rate_allows(pods, visits):
    dice, rate = random.Random(19), 0.01
    wrong = sum(order(in_turns(dice, pods, visits, 0.1), rate).verdict == "random" for _ in range(2000))
    assert at_least(wrong, 2000, rate) > ERROR_RATE


@pytest.mark.parametrize(
    "sequence",
    [[], ["a"], ["a"] * 500, ["a", "b"] * 5, ["a"] * 250 + ["b"] * 250, (["a"] * 10 + ["b"] * 10) * 25],
    ids=["nothing", "one visit", "one pod", "few", "first one pod, then the other", "runs of ten"],
)
def test_what_is_neither_is_undecided(sequence):
    assert order(sequence).verdict == "undecided"


def test_the_verdicts_say_their_evidence():
    dice = random.Random(23)
    assert order(["a", "b"] * 100).sentence == (
        "In turns: 2 pods, and one followed itself 0 of 199 times; 99 of the last 99 steps kept to one cycle."
    )
    sequence = at_random(dice, 4, 1000)
    repeats = sum(a == b for a, b in itertools.pairwise(sequence))
    assert order(sequence).sentence == (
        f"At random: 4 pods, and one followed itself {repeats} of 999 times;"
        " in turns it would be 0, at random about 250."
    )
    assert order([]).sentence == "Nobody answered, so there was no order to see."
    assert order(["a"] * 9).sentence == "One pod answered everything, so there was no order to see."


@given(st.lists(st.integers(0, 5), max_size=300))
def test_the_names_of_pods_do_not_matter(sequence):
    assert order(sequence).verdict == order([f"pod {number}" for number in sequence]).verdict
