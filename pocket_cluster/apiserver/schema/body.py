"""Request bodies as text: JSON and YAML become plain values, with a note of keys that were given twice."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

import yaml

from pocket_cluster import yaml_values
from pocket_cluster.apiserver.schema.field_errors import go_string
from pocket_cluster.yaml_values import MOST_DEPTH, MOST_DIGITS

JSON_ERRORS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}
SUMMARY_LENGTH = 30
# Escapes in a JSON string: a whole surrogate pair, half of one, or any other.
ESCAPE = re.compile(r"(?P<pair>\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w)|(?P<half>\\u[dD][89a-fA-F]\w\w)|\\.", re.DOTALL)


class DecodeError(Exception):
    """The body is not what was asked for: 400 BadRequest, with this text as the Status message.

    ``reason`` is the text without the words that name the kind: what is said of a patched object.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class WrittenNumber(float):
    """A number with a point or an exponent, which remembers its digits: errors and quantities show them."""

    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


class TwiceGiven(dict[str, Any]):
    """A JSON object of which some keys appeared more than once; the last one counts.

    ``pairs`` are all keys with their values, and whether the key appeared before.
    """

    pairs: list[tuple[str, Any, bool]]


def parse_body(raw: bytes, content_type: str = "application/json", kind: str = "") -> Any:
    """Read a JSON or YAML body.

    ``kind`` is what the path asks for; it stands in the error. YAML is chosen by the content type.
    Raises DecodeError when the body cannot be read.
    """
    is_yaml = "yaml" in content_type
    try:
        return _yaml(raw) if is_yaml else _json(raw)
    except _Unreadable as error:
        why = str(error) if is_yaml else f"couldn't get version/kind; json parse error: {error}"
        raise unrecognized(kind, why, raw) from None


def parse_text(raw: bytes) -> Any:
    """Read JSON. Raises DecodeError in the words of Go's decoder."""
    try:
        return _json(raw)
    except _Unreadable as error:
        raise DecodeError(str(error)) from None


def duplicates_in(data: Any) -> list[str]:
    """The paths of the keys that a JSON text gave twice, e.g. ``spec.replicas``."""
    duplicates: list[str] = []
    _find_duplicates(data, "", duplicates)
    return duplicates


def unrecognized(kind: str, reason: str, raw: bytes) -> DecodeError:
    """The error for a body that does not say what it is (apiserver, endpoints/handlers/rest.go)."""
    message = f"the object provided is unrecognized (must be of type {kind}): {reason} ({summary(raw)})"
    return DecodeError(message, reason)


def summary(raw: bytes) -> str:
    """The first bytes of a body, as text where it looks like JSON and in hexadecimal elsewhere."""
    if not raw:
        return "<empty>"
    more = " ..." if len(raw) > SUMMARY_LENGTH else ""
    start = raw[:SUMMARY_LENGTH]
    return (start.decode(errors="replace") if raw[:1] == b"{" else start.hex()) + more


class _Unreadable(Exception):
    pass


def _json(raw: bytes) -> Any:
    try:
        text = _without_half_characters(raw.decode(errors="replace"))  # as Go does, both
        value = READER.decode(text)
    except RecursionError:
        raise _Unreadable(f"invalid character '{text.lstrip()[:1]}' exceeded max depth") from None
    except json.JSONDecodeError as error:
        raise _Unreadable(_go_wording(error)) from None
    if bracket := too_deep(value):
        raise _Unreadable(f"invalid character '{bracket}' exceeded max depth")
    return value


def too_deep(value: Any) -> str:
    """The bracket of the first value that stands deeper than this server goes; empty when none does."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_DEPTH):
        if not level:
            return ""
        items = itertools.chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level)
        level = [item for item in items if isinstance(item, dict | list)]
    return "{" if level and isinstance(level[0], dict) else "[" if level else ""


def beyond_floats(value: Any) -> str:
    """The digits of a number that is too large for a float; empty when there is none."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(beyond_floats, items)), "")
    return value.text if isinstance(value, WrittenNumber) and math.isinf(value) else ""


def _without_half_characters(text: str) -> str:
    """Half of a surrogate pair is no character, and cannot be stored: U+FFFD takes its place."""
    if "\\ud" not in text.lower():
        return text
    return ESCAPE.sub(lambda found: "\\ufffd" if found["half"] else found[0], text)


def _integer(text: str) -> int | WrittenNumber:
    return int(text) if len(text) <= MOST_DIGITS else WrittenNumber(text)


def _no_constant(text: str) -> Any:
    raise _Unreadable(f"invalid character '{text[0]}' looking for beginning of value")


def _go_wording(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    where = JSON_ERRORS.get(error.msg, "looking for beginning of value")
    letter = _unread(error)[:1]
    quoted = {"'": "\\'", '"': '"'}.get(letter) or go_string(letter)[1:-1]
    return f"invalid character '{quoted}' {where}"


def _unread(error: json.JSONDecodeError) -> str:
    """The text from where Go stops: Python names the backslash before it or, since 3.13, the comma before a bracket."""
    if error.msg == "Invalid \\escape":
        return error.doc[error.pos + 1 :]
    if error.msg.startswith("Illegal trailing comma"):
        return error.doc[error.pos + 1 :].lstrip()
    return error.doc[error.pos :]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice, seen = TwiceGiven(found), set[str]()
    twice.pairs = []
    for key, item in pairs:
        twice.pairs.append((key, item, key in seen))
        seen.add(key)
    return twice


READER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=WrittenNumber, parse_int=_integer, parse_constant=_no_constant
)


def _find_duplicates(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, TwiceGiven):
        found += [f"{path}.{key}".lstrip(".") for key, _, is_again in value.pairs if is_again]
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                _find_duplicates(item, f"{path}.{key}".lstrip("."), found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _find_duplicates(item, f"{path}[{index}]", found)


LOADER = yaml_values.loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _yaml(raw: bytes) -> Any:
    """The first document."""
    try:
        loader = LOADER(raw)
        try:
            return (
                yaml_values.value_of(loader.get_node(), raw.decode(errors="replace")) if loader.check_node() else None
            )
        finally:
            loader.dispose()
    except yaml_values.Misread as error:
        words = error.problem if error.problem.startswith("json:") else f"yaml: {error.problem}"
        raise _Unreadable(words) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _Unreadable(f"yaml: {_go_yaml_wording(error, raw)}") from None
    except RecursionError:
        raise _Unreadable("yaml: exceeded max depth") from None


def _go_yaml_wording(error: Exception, raw: bytes) -> str:
    """The words of Go's library, which is libyaml as well; it counts lines from 0 but for its scanner's."""
    if isinstance(error, yaml.reader.ReaderError):
        return str(error.reason)
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    if mark and problem.startswith("found undefined alias"):
        name = re.split(r"[\s,\]}]", raw.decode(errors="replace")[mark.index :])[0].lstrip("*")
        return f"unknown anchor '{name}' referenced"
    line = mark.line if mark else 0
    line += bool(line and isinstance(error, yaml.scanner.ScannerError))
    return f"line {line}: {problem}" if line else problem
