"""Visits are counted, split and put into sentences."""

import random

import pytest

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.visits import Visit, Visits

VERSIONS = {"web-a": "original", "web-b": "custom"}


def visit(number, pod="web-a", error="", connection=None, on_connection=1, visitor=0):
    place = number if connection is None else connection
    return Visit(number / 100, 0.01, visitor, place, on_connection, "" if error else pod, 0 if error else 200, 9, error)


def fresh(pods, **options):
    return Visits([visit(number, pod, **options) for number, pod in enumerate(pods)], VERSIONS)


def kept(*pods, requests=5):
    """One visitor and one connection for each pod."""
    rows = [
        visit(10 * number + index, pod, connection=number, on_connection=index + 1, visitor=number)
        for number, pod in enumerate(pods)
        for index in range(requests)
    ]
    return Visits(rows, VERSIONS)


def test_shares_are_of_connections_when_there_are_several():
    split = fresh(["web-a"] * 25 + ["web-b"] * 75).by("version")
    assert split.of == "connections"
    assert {name: (share.number, share.total) for name, share in split.shares.items()} == {
        "custom": (75, 100),
        "original": (25, 100),
    }
    assert split.reading() == (
        "Of 100 connections, custom got 75.0 % (65.7 % to 82.5 %) and original got 25.0 % (17.5 % to 34.3 %)."
    )


def test_requests_on_kept_connections_widen_the_interval():
    visits = kept(*["web-a", "web-b"] * 10)
    connections, requests = visits.by("pod"), visits.by("pod", of="requests")
    assert (connections.total, requests.total) == (20, 100)
    assert requests.shares["web-a"].interval == connections.shares["web-a"].interval


def test_one_connection_says_nothing_about_the_split():
    split = kept("web-b", requests=20).by("version")
    assert split.reading() == (
        "All 20 requests on one connection were answered by custom: that says nothing about the split."
    )
    assert tuple(split.shares["custom"].interval) == (1.0, 0.0, 1.0)
    assert split.matches("custom", 0.5).verdict == "too few"


def test_a_table_has_a_line_for_each_name():
    assert fresh(["web-a"] * 25 + ["web-b"] * 75).by("version").table().splitlines() == [
        "version   connections  share   95 % interval",
        "custom    75           75.0 %  65.7 % to 82.5 %",
        "original  25           25.0 %  17.5 % to 34.3 %",
    ]


def test_a_mark_is_compared_with_the_first_name_or_the_one_that_is_named():
    split = fresh(["web-a"] * 25 + ["web-b"] * 75).by("version")
    assert split.reading({"Predicted": 0.8}).endswith(
        " Predicted for custom: 80.0 %, 5.0 points off and within the interval."
    )
    assert split.reading({"Expected": 0.5}, "original").endswith(
        " Expected for original: 50.0 %, 25.0 points off and outside the interval."
    )


def test_a_share_is_compared_with_an_expected_one():
    dice = random.Random(4)
    split = fresh(dice.choices(["web-a", "web-b"], [1, 3], k=1000)).by("version")
    assert split.matches("custom", 0.75).verdict == "fits"
    assert split.matches("custom", 0.5).verdict == "differs"
    assert split.matches("nobody", 0.5).verdict == "differs"
    assert split.matches("nobody", 0.0).verdict == "fits"


def test_requests_are_compared_by_what_they_are_worth():
    dice = random.Random(4)
    visits = kept(*dice.choices(["web-a", "web-b"], [1, 3], k=1000))
    assert visits.by("version", of="requests").matches("custom", 0.75) == visits.by("version").matches("custom", 0.75)


def test_pods_without_a_name_and_versions_without_a_label_are_called_so():
    visits = Visits([visit(0, ""), visit(1, "web-c")], VERSIONS)
    assert visits.sequence() == ["(no name)", "web-c"]
    assert visits.sequence("version") == ["(no version)", "(no version)"]


def test_errors_are_counted_and_are_no_answers():
    rows = [visit(0), visit(1, error="no answer"), visit(2, error="timeout"), visit(3, error="no answer")]
    visits = Visits(rows, VERSIONS)
    assert visits.errors == {"no answer": 2, "timeout": 1}
    assert (len(visits), len(visits.answered), visits.connections, visits.pods) == (4, 1, 1, ["web-a"])
    assert visits.reading() == (
        "1 of 4 visits were answered, over 1 connection, by 1 pod. Errors: 2 times no answer, once timeout."
    )


def test_without_answers_there_is_a_sentence_and_no_share():
    nobody = Visits([visit(0, error="no answer")])
    assert nobody.by("pod").shares == {}
    assert nobody.by("pod").reading() == nobody.reading() == "Nobody answered: 1 visit, once no answer."
    assert Visits([]).reading() == "There were no visits."
    assert nobody.by("version").matches("custom", 0.5).verdict == "too few"
    assert nobody.order().verdict == Visits([]).order().verdict == "undecided"


def test_an_order_is_judged_by_each_connections_first_answer():
    turns = kept(*["web-a", "web-b"] * 50, requests=2)
    assert turns.order().verdict == "round-robin"


def test_an_order_can_be_random_for_one_visitor_only():
    dice = random.Random(8)
    pods = dice.choices(["web-a", "web-b"], k=1000)
    assert fresh(pods).order().verdict == "random"
    several = Visits([visit(number, pod, visitor=number % 5) for number, pod in enumerate(pods)])
    assert several.order().sentence == (
        "Undecided: several visitors connected at the same time, and that hides turns. Probe with visitors=1."
    )


def test_visitors_who_saw_one_pod_only_are_counted():
    visits = kept("web-a", "web-b", "web-a")
    assert visits.loyal_visitors() == 3
    assert Visits([*visits, visit(99, "web-b", visitor=0)]).loyal_visitors() == 2


def test_an_interrupted_probe_says_so():
    assert Visits([visit(0)], interrupted=True).reading().endswith(" The probe was interrupted.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(("colour",), "by pod or by version, not by 'colour'"), (("pod", "bytes"), "of requests, not of 'bytes'")],
)
def test_a_split_that_cannot_be_made_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(CourseError, match=sentence):
        fresh(["web-a"]).by(*arguments)
