"""Request bodies as text: JSON and YAML become plain values, with a note of keys that were given twice."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from pocket_cluster.apiserver.schema.field_errors import go_string

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
        return json.loads(text, object_pairs_hook=_object, parse_float=WrittenNumber, parse_constant=_no_constant)
    except RecursionError:
        raise _Unreadable("exceeded max depth") from None
    except json.JSONDecodeError as error:
        raise _Unreadable(_go_wording(error)) from None


def _without_half_characters(text: str) -> str:
    """Half of a surrogate pair is no character, and cannot be stored: U+FFFD takes its place."""
    if "\\ud" not in text.lower():
        return text
    return ESCAPE.sub(lambda found: "\\ufffd" if found["half"] else found[0], text)


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


class _JsonLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: no dates, and only ``true`` and ``false`` are booleans beside YAML 1.1's words."""


# A date in a manifest is a string; only JSON's types exist.
_JsonLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(raw: bytes) -> Any:
    try:
        return _string_keys(yaml.load(raw, Loader=_JsonLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _Unreadable(f"yaml: {_go_yaml_wording(error, raw)}") from None
    except RecursionError:
        raise _Unreadable("exceeded max depth") from None


def _go_yaml_wording(error: Exception, raw: bytes) -> str:
    """The words of Go's library, which is libyaml as well; it counts lines from 0 but for its scanner's."""
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    if mark and problem.startswith("found undefined alias"):
        name = re.split(r"[\s,\]}]", raw.decode(errors="replace")[mark.index :])[0].lstrip("*")
        return f"unknown anchor '{name}' referenced"
    line = mark.line if mark else 0
    line += bool(line and isinstance(error, yaml.scanner.ScannerError))
    return f"line {line}: {problem}" if line else problem


def _string_keys(value: Any) -> Any:
    """YAML as JSON has it: keys are strings, and 2.0 is 2."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {_key(key): _string_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_string_keys(item) for item in value]
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
