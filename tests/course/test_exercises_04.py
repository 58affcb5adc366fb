"""What the exercises of page 04 find in wrong states, and that they pass by any route."""

from __future__ import annotations

import pytest
from acts import Act, Found, nothing, patched, scaled, steps

from kubechaos_helpers import Cluster, Visits
from kubechaos_helpers.course import exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.visits import Visit

TO_NOBODY = steps(
    scaled(3, 2), patched("services", "kubechaos-svc", {"spec": {"ports": [{"port": 3000, "targetPort": 3001}]}})
)
WRONG = [
    ("", nothing, "No ready pod is behind kubechaos-svc."),
    ("04.1", nothing, "1 custom and 1 other ready pods. That gives custom 50%, not 40 %."),
    ("04.1", scaled(2, 3), "That gives custom 60%, not 40 %."),
    ("04.1", scaled(4, 2), "That gives custom 33%, not 40 %."),
    ("04.1", scaled(0, 2), "That gives custom 100%, not 40 %."),
    ("04.1", TO_NOBODY, "Nobody answered: 2000 visits, 2000 times no answer. They are sent to port 3001"),
]


@pytest.mark.parametrize(("section", "act", "sentence"), WRONG)
def test_a_wrong_split_is_named(found: Found, section: str, act: Act, sentence: str) -> None:
    assert sentence in found("04.two-fifths", section, act)


@pytest.mark.parametrize("act", [scaled(3, 2), scaled(6, 4)])
def test_any_three_to_two_passes(found: Found, act: Act) -> None:
    assert found("04.two-fifths", "04.1", act) == ""


def counted(custom: int, original: int, requests: int = 1) -> Visits:
    """So many connections to each version, with so many requests each."""
    pods = ["custom"] * custom + ["original"] * original
    rows = [(number, request, pod) for number, pod in enumerate(pods) for request in range(1, requests + 1)]
    visits = [Visit(0.001 * number, 0.001, 0, number, request, pod, 200, 1, "") for number, request, pod in rows]
    return Visits(visits, {"custom": "custom", "original": "original"})


ANSWERS = [
    (None, "Give the check what you measured"),
    (4000, "Give the check what you measured"),
    (counted(75, 25), "You measured 100 connections, and it takes 3300. Measure more of them."),
    (counted(30, 10, 100), "40 connections, and it takes 3300. Connections that were kept count once. Measure more"),
    (counted(2000, 2000), "That is enough, but of something else: 50.0 % of 4000 is not 75 %"),
    (counted(3000, 1000), ""),
]


@pytest.mark.parametrize(("answer", "sentence"), ANSWERS)
def test_what_was_measured_is_judged(embedded: Cluster, answer: object, sentence: str) -> None:
    said = exercise.first_gap(exercise.find("04.enough"), Look(embedded, answer))
    assert sentence in said
    assert bool(said) == bool(sentence)
