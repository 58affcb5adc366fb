"""YAML as Kubernetes reads it: what a parsed document is in JSON, and when it is refused.

The rules, words and bounds are those of the library that a real API server reads YAML with (go.yaml.in/yaml): only
JSON's types, dates stay texts, keys are texts, and a text of a few bytes may not stand for a document of gigabytes.
One thing more is refused, by PyYAML itself: an anchor that is given twice.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

# Deeper than anything that Kubernetes has; a real API server stops at 10,000.
MOST_DEPTH = 250
# Integers with more digits are no numbers: beyond what a float can say.
MOST_DIGITS = 309
# How many of so many values may come from aliases: nearly all of a small document, a tenth of a large one.
SMALL, LARGE = 400_000, 4_000_000
# Characters of texts that come from aliases. That library counts values alone.
MOST_COPIED = 10_000_000
TAG = "tag:yaml.org,2002:"


class Misread(Exception):
    """What is wrong with a document, and where: ``mark`` is PyYAML's, or None."""

    def __init__(self, problem: str, mark: Any = None) -> None:
        super().__init__(problem)
        self.problem, self.mark = problem, mark


@cache
def loader(base: type[Any]) -> type[Any]:
    """A PyYAML loader whose plain scalars are what YAML 1.1 says, without dates; its nodes go to ``value_of``."""
    resolvers = {
        letter: [(tag, pattern) for tag, pattern in known if tag != f"{TAG}timestamp"]
        for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


def value_of(node: Any, text: str) -> Any:
    """The value of a node that PyYAML composed from that text; Misread when Kubernetes would refuse it."""
    return _Reading(text).value(node, 0)


class _Reading:
    """One document: how much of it was read, and how much of that because of aliases."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._read = self._aliased = self._inside_aliases = self._copied = 0

    def value(self, node: Any, depth: int) -> Any:
        if id(node) in self._open:
            raise Misread(f"anchor '{self._anchor(node)}' value contains itself", node.start_mark)
        if depth > MOST_DEPTH:
            raise Misread(f"exceeded max depth of {MOST_DEPTH}", node.start_mark)
        is_alias = id(node) in self._seen
        self._seen.add(id(node))
        if is_alias and not self._inside_aliases:  # it counts itself, and then what it stands for
            self._count(node)
        self._inside_aliases += is_alias
        self._count(node)
        try:
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node)
            self._open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, depth + 1) for item in node.value]
            return self._mapping(node, depth)
        finally:
            self._open.discard(id(node))
            self._inside_aliases -= is_alias

    def _count(self, node: Any) -> None:
        self._read += 1
        self._aliased += self._inside_aliases > 0
        share = 0.99 - 0.89 * min(max((self._read - SMALL) / (LARGE - SMALL), 0), 1)
        if self._aliased > 100 and self._read > 1000 and self._aliased > share * self._read:
            raise Misread("document contains excessive aliasing", node.start_mark)

    def _scalar(self, node: Any) -> Any:
        self._copied += len(node.value) if self._inside_aliases else 0
        if self._copied > MOST_COPIED:
            raise Misread("document contains excessive aliasing", node.start_mark)
        return _scalar(node)

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == f"{TAG}merge":
                for each in self._merged(value, depth):
                    for name, item in each.items():
                        merged.setdefault(name, item)
            else:
                found[self._key(key, depth)] = self.value(value, depth + 1)
        return {**merged, **found}

    def _merged(self, node: Any, depth: int) -> Iterator[dict[str, Any]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in nodes:
            if not isinstance(each, yaml.MappingNode):
                raise Misread("map merge requires map or sequence of maps as the value", each.start_mark)
            yield self.value(each, depth + 1)

    def _key(self, node: Any, depth: int) -> str:
        key = self.value(node, depth + 1)
        if isinstance(key, str):
            return key
        if isinstance(key, bool):
            return str(key).lower()
        if isinstance(key, int | float):
            return str(key)
        raise Misread("a key must be a text", node.start_mark)

    def _anchor(self, node: Any) -> str:
        """The name of a node's anchor, which PyYAML has forgotten: its text begins with it."""
        found = re.match(r"&([^\s,\[\]{}]+)", self._text[node.start_mark.index :])
        return found[1] if found else ""


def _scalar(node: Any) -> Any:
    kind = node.tag.removeprefix(TAG)
    read = {"null": _null, "bool": _bool, "int": _int, "float": _float, "binary": _binary}.get(kind, _text)
    try:
        return read(node.value)
    except (ValueError, KeyError):
        raise Misread(f"cannot decode !!str `{node.value}` as a !!{kind}", node.start_mark) from None


def _text(text: str) -> str:
    return text


def _null(text: str) -> None:
    if text not in ("", "~", "null", "Null", "NULL"):
        raise ValueError


def _bool(text: str) -> bool:
    return bool(yaml.constructor.SafeConstructor.bool_values[text.lower()])


def _int(text: str) -> int | str:
    digits = text.replace("_", "")
    if ":" in digits or len(digits) > MOST_DIGITS:  # 1:30 is no number of seconds
        return text
    if re.fullmatch("[-+]?0[0-7]+", digits):
        return int(digits, 8)
    return int(digits, 0)


def _float(text: str) -> int | float | str:
    digits = text.replace("_", "").lower()
    if ":" in digits:
        return text
    number = float(digits.replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise Misread(f"json: unsupported value: {'NaN' if math.isnan(number) else f'{number:+}'.title()}")
    return int(number) if number.is_integer() else number


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
    except binascii.Error:
        raise Misread("!!binary value contains invalid base64 data") from None
