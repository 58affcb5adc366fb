"""Label and field selectors: the text that clients send and the objects that Deployments and Services carry.

Grammar and error texts are those of apimachinery, pkg/labels/selector.go and pkg/fields/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

LABEL_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+)")
NOT_A_KEY = ("", "==", "!=", "=", ",", "(", ")", "<", ">")


class SelectorError(ValueError):
    """The selector cannot be read; the text is the real API's."""


class Requirement(NamedTuple):
    """One condition on a label: operator is in, notin, exists, absent, gt or lt."""

    key: str
    operator: str
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return value is not None and _compares(value, self.operator, self.values)


def _compares(value: str, operator: str, values: frozenset[str]) -> bool:
    try:
        left, right = int(value), int(next(iter(values)))
    except ValueError:
        return False
    return left > right if operator == "gt" else left < right


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self.nothing:
            return False
        found = labels or {}
        return all(requirement.matches(found) for requirement in self.requirements)

    @property
    def is_empty(self) -> bool:
        return not self.requirements and not self.nothing


NOTHING = LabelSelector(nothing=True)


def from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """A Service's selector. None selects nothing."""
    if labels is None:
        return NOTHING
    return LabelSelector(tuple(Requirement(key, "in", frozenset([value])) for key, value in labels.items()))


def from_label_selector_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """``{"matchLabels": …, "matchExpressions": …}``; None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    requirements = list(from_map(selector.get("matchLabels") or {}).requirements)
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for expression in selector.get("matchExpressions") or []:
        operator = operators.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f'"{expression.get("operator")}" is not a valid label selector operator')
        requirements.append(Requirement(expression["key"], operator, frozenset(expression.get("values") or [])))
    return LabelSelector(tuple(requirements))


def parse_label_selector(text: str) -> LabelSelector:
    """Read ``a=b,c!=d,e in (f,g),h,!i``.

    Raises SelectorError with the sentence that the real API answers, e.g. for ``a=b=c``.
    """
    tokens = _Tokens(text)
    requirements: list[Requirement] = []
    expected = "!, identifier, or 'end of string'"
    while tokens.peek() or requirements:
        if tokens.peek() in NOT_A_KEY:
            raise SelectorError(f"found '{tokens.peek()}', expected: {expected}")
        try:
            requirements.append(_requirement(tokens))
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from None
        following = tokens.take()
        if not following:
            break
        if following != ",":
            raise SelectorError(f"found '{following}', expected: ',' or 'end of string'")
        expected = "identifier after ','"
    return LabelSelector(tuple(requirements))


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens = LABEL_TOKEN.findall(text)

    def peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def take(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.peek() == "!":
        tokens.take()
        return Requirement(_key(tokens), "absent", frozenset())
    key = _key(tokens)
    match tokens.peek():
        case "" | ",":
            return Requirement(key, "exists", frozenset())
        case "=" | "==":
            tokens.take()
            return Requirement(key, "in", frozenset([_value(tokens)]))
        case "!=":
            tokens.take()
            return Requirement(key, "notin", frozenset([_value(tokens)]))
        case "in" | "notin":
            return Requirement(key, tokens.take(), _values(tokens))
        case "<" | ">":
            operator = "lt" if tokens.take() == "<" else "gt"
            return Requirement(key, operator, frozenset([_value(tokens)]))
    expected = "in, notin, =, ==, !=, gt, lt"
    raise SelectorError(f"found '{tokens.peek()}', expected: {expected}")


def _key(tokens: _Tokens) -> str:
    key = tokens.take()
    if key in NOT_A_KEY or key == "!":
        raise SelectorError(f"found '{key}', expected: identifier")
    return key


def _value(tokens: _Tokens) -> str:
    if tokens.peek() in ("", ","):
        return ""
    value = tokens.take()
    if value in NOT_A_KEY or value == "!":
        raise SelectorError(f"found '{value}', expected: identifier")
    return value


def _values(tokens: _Tokens) -> frozenset[str]:
    opening = tokens.take()
    if opening != "(":
        raise SelectorError(f"found '{opening}' expected: '('")
    values: list[str] = ["" if tokens.peek() == ")" else _value(tokens)]
    while tokens.peek() == ",":
        tokens.take()
        values.append(_value(tokens))
    closing = tokens.take()
    if closing != ")":
        raise SelectorError(f"found '{closing}', expected: ',' or ')'")
    return frozenset(values)


class FieldRequirement(NamedTuple):
    """One condition on a field: operator is ``=`` or ``!=``."""

    path: str
    operator: str
    value: str

    def matches(self, found: str) -> bool:
        return (found == self.value) == (self.operator == "=")


def parse_field_selector(text: str) -> list[FieldRequirement]:
    """Read ``metadata.name=web,status.phase!=Running``; a backslash escapes ``,``, ``=`` and ``\\``."""
    requirements = []
    for part in re.split(r"(?<!\\),", text):
        if not part.strip():
            continue
        found = re.match(r"(?s)^(.*?)(==|!=|=)(.*)$", part)
        if not found:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        operator = "!=" if found[2] == "!=" else "="
        requirements.append(FieldRequirement(found[1].strip(), operator, re.sub(r"\\([,=\\])", r"\1", found[3])))
    return requirements
