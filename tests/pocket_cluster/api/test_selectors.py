"""Selectors are read, matched and refused as the real API does."""

import pytest

from pocket_cluster.api import selectors

LABELS = {"app": "kubechaos", "version": "custom", "weight": "3"}

MATCHES = [
    ("", True),
    ("app=kubechaos", True),
    ("app==kubechaos,version=custom", True),
    ("version=original", False),
    ("version!=original", True),
    ("nosuch!=x", True),
    ("version in (original, custom)", True),
    ("version notin (custom)", False),
    ("nosuch notin (custom)", True),
    ("app", True),
    ("!app", False),
    ("!nosuch", True),
    ("weight>2", True),
    ("weight<3", False),
    ("app=", False),
    ("app in (kubechaos),!nosuch", True),
]

REFUSALS = [
    ("a=b=c", "found '=', expected: ',' or 'end of string'"),
    ("a in x", "unable to parse requirement: found 'x' expected: '('"),
    ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
    (",a", "found ',', expected: !, identifier, or 'end of string'"),
    ("a,", "found '', expected: identifier after ','"),
    ("a,=", "found '=', expected: identifier after ','"),
    ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("!", "unable to parse requirement: found '', expected: identifier"),
]


@pytest.mark.parametrize(("text", "expected"), MATCHES)
def test_a_label_selector_matches_as_the_real_one(text: str, expected: bool) -> None:
    assert selectors.parse_label_selector(text).matches(LABELS) is expected


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
def test_a_bad_label_selector_is_refused_with_the_real_sentence(text: str, sentence: str) -> None:
    with pytest.raises(selectors.SelectorError) as refusal:
        selectors.parse_label_selector(text)
    assert str(refusal.value) == sentence


def test_a_service_without_selector_selects_nothing_and_an_empty_deployment_selector_everything() -> None:
    assert not selectors.from_map(None).matches(LABELS)
    assert not selectors.from_label_selector_object(None).matches(LABELS)
    assert selectors.from_label_selector_object({}).matches(LABELS)


def test_match_expressions_and_match_labels_must_all_hold() -> None:
    expression = {"key": "version", "operator": "In", "values": ["custom"]}
    selector = {"matchLabels": {"app": "kubechaos"}, "matchExpressions": [expression]}
    assert selectors.from_label_selector_object(selector).matches(LABELS)
    assert not selectors.from_label_selector_object(selector).matches({"app": "kubechaos"})


def test_field_selectors_split_at_commas_and_keep_escaped_ones() -> None:
    requirements = selectors.parse_field_selector(r"metadata.name=a\,b,status.phase!=Running")
    assert [tuple(requirement) for requirement in requirements] == [
        ("metadata.name", "=", "a,b"),
        ("status.phase", "!=", "Running"),
    ]
    assert requirements[1].matches("Pending")
    assert not requirements[1].matches("Running")


def test_a_field_selector_without_operator_is_refused() -> None:
    with pytest.raises(selectors.SelectorError, match="can't understand 'nonsense'"):
        selectors.parse_field_selector("nonsense")


def test_a_value_may_begin_with_the_name_of_an_operator() -> None:
    assert selectors.parse_label_selector("app=in-study,tier notin (in-a)").matches({"app": "in-study"})
