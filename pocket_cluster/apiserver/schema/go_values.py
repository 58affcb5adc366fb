"""Plain values as Go names and prints them: some refusals show them so."""

from __future__ import annotations

import json
from typing import Any

# Go's type and kind of a decoded JSON value.
NAMES = {
    dict: ("map[string]interface {}", "map"),
    list: ("[]interface {}", "slice"),
    str: ("string", "string"),
    bool: ("bool", "bool"),
    int: ("int64", "int64"),
    float: ("float64", "float64"),
}


def go_type(value: Any) -> str:
    """Such as ``[]interface {}``."""
    return _names(value)[0]


def go_kind(value: Any) -> str:
    """Such as ``slice``."""
    return _names(value)[1]


def json_type(value: Any) -> str:
    """What Go's JSON decoder calls the value, such as ``array``."""
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", dict: "object", list: "array"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "number")


def _names(value: Any) -> tuple[str, str]:
    if value is None:
        return ("<nil>", "invalid")
    return next(names for kind, names in NAMES.items() if isinstance(value, kind))


def go_print(value: Any) -> str:
    """The value as ``%v`` prints it: ``map[spec:map[replicas:3]]``, keys in order."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_print(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_print, value))}]"
    return str(whole(value))


def go_text(value: Any) -> str:
    """The value as ``%s`` prints it, which is meant for texts: ``%!s(int64=1)``."""
    is_other = isinstance(value, bool | int | float)
    return f"%!s({go_type(whole(value))}={go_print(value)})" if is_other else go_print(value)


def whole(value: Any) -> Any:
    """A number with nothing behind its point as the whole number that it is; anything else as it stands."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def with_whole_numbers(value: Any) -> Any:
    """Plain values whose numbers are whole where they can be."""
    if isinstance(value, dict):
        return {key: with_whole_numbers(item) for key, item in value.items()}
    return [with_whole_numbers(item) for item in value] if isinstance(value, list) else whole(value)


def go_syntax(value: Any) -> str:
    """The value as ``%#v`` prints it: ``map[string]interface {}{"replicas":3}``."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)}:{go_syntax(value[key])}" for key in sorted(value))
        return f"{go_type(value)}{{{inner}}}"
    if isinstance(value, list):
        return f"{go_type(value)}{{{', '.join(map(go_syntax, value))}}}"
    return f"{go_type(value)}(nil)" if value is None else json.dumps(value, ensure_ascii=False)
