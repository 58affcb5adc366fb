"""What the sanitisers make alike, and what they must not: two runs look the same, two verdicts never do."""

from __future__ import annotations

import configparser
import itertools
import re
from pathlib import Path

import pytest

from kubechaos_helpers.statistics import matches, order

SANITIZE = Path(__file__).with_name("sanitize.cfg")
AT_RANDOM = [int(digit) for digit in bin(7**400)[2:1002]]


def sanitized(text: str) -> str:
    """The text as nbval compares it: every rule in turn."""
    rules = configparser.RawConfigParser()
    rules.read(SANITIZE)
    for rule in rules.sections():
        text = re.sub(rules[rule]["regex"], rules[rule]["replace"], text)
    return text


VERDICTS = {
    "the order of connections": [
        order([0, 1] * 500).sentence,
        order(AT_RANDOM).sentence,
        order([0, 1, 1]).sentence,
        order([0] * 9).sentence,
    ],
    "a share of three quarters": [
        matches(750, 1000, 0.75).sentence,
        matches(500, 1000, 0.75).sentence,
        matches(15, 20, 0.75).sentence,
        matches(0, 0, 0.75).sentence,
    ],
    "what was lost": [
        "No request was lost.",
        "Requests were lost: some found nobody there.",
        "Requests were lost: some were cut off.",
    ],
    "who answered": [
        "200 of 400 visits were answered, over 200 connections, by 2 pods. Errors: 200 times no answer.",
        "400 of 400 visits were answered, over 400 connections, by 2 pods.",
        "Nobody answered any of the 400 visits. Errors: 400 times no answer.",
    ],
}


@pytest.mark.parametrize("about", VERDICTS)
def test_two_verdicts_never_look_the_same(about: str) -> None:
    for one, other in itertools.combinations(VERDICTS[about], 2):
        assert sanitized(one) != sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "kubechaos-custom-56c5c99dfb-gw2gw     1/1     Running   0          4s    10.244.0.4",
            "kubechaos-custom-669b7cd5c-zk8lm   1/1   Running   0   2m11s   10.244.7.201",
        ),
        ("kubechaos-svc   NodePort   10.96.4.5   <none>   3000:30123/TCP   9s", "kubechaos-svc   NodePort   "
         "10.96.14.235   <none>   3000:32767/TCP   59s"),
        (matches(750, 1000, 0.75).sentence, matches(761, 1000, 0.75).sentence),
    ],
    ids=["a pod", "a Service", "a share that fits"],
)  # fmt: skip
def test_two_runs_look_the_same(one: str, other: str) -> None:
    assert sanitized(one) == sanitized(other)
