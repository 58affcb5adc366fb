"""What keeps an applied configuration from being typed, in the words of server-side apply.

It is not decoded as other bodies are: structured-merge-diff, typed/validate.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.apiserver.schema.definitions import Field, Schema
from pocket_cluster.apiserver.schema.go_values import go_print, go_syntax, go_type
from pocket_cluster.apiserver.schema.list_keys import item_keys

EXPECTED: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "string": ("string", str),
    "bytes": ("string", str),
    "bool": ("boolean", bool),
    "int32": ("numeric (int or float)", (int, float)),
    "int64": ("numeric (int or float)", (int, float)),
}
# What has a reader of its own is any text or number here.
UNTYPED = ("time", "micro-time", "quantity", "int-or-string")
TYPE_META = ("apiVersion", "kind")


def untypable(schema: Schema, value: dict[str, Any]) -> str:
    """All that does not fit, as one text; ``""`` when everything does."""
    found = list(_struct(schema, {key: item for key, item in value.items() if key not in TYPE_META}, ""))
    return found[0] if len(found) == 1 else "".join(["errors:", *(f"\n  {each}" for each in found)]) if found else ""


def _struct(schema: Schema, value: dict[str, Any], path: str) -> Iterator[str]:
    for key, item in sorted(value.items()):
        field = schema.fields.get(key)
        if field is None:
            yield f"{path}.{key}: field not declared in schema"
        elif item is not None:
            yield from _field(field, item, f"{path}.{key}")


def _field(field: Field, value: Any, path: str) -> Iterator[str]:
    is_keyed = field.schema.kind == "list" and isinstance(value, list) and field.list_type in ("map", "set")
    if is_keyed:
        yield from _items(field, value, path)
    if not is_keyed or field.list_type == "set":
        yield from _value(field.schema, value, path)
    elif field.schema.items is not None:
        for item in value:
            if isinstance(item, dict):
                yield from _value(field.schema.items, item, f"{path}[{_keys(field, item)}]")


def _value(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    if schema.kind in ("struct", "map"):
        if not isinstance(value, dict):
            yield f"{path}: expected map, got {_shown(value)}"
        elif schema.kind == "struct":
            yield from _struct(schema, value, path)
        elif schema.items is not None:
            for key, item in sorted(value.items()):
                yield from _value(schema.items, item, f"{path}.{key}")
    elif schema.kind == "list":
        if not isinstance(value, list):
            yield f"{path}: expected list, got {_shown(value)}"
        elif schema.items is not None:
            for index, item in enumerate(value):
                yield from _value(schema.items, item, f"{path}[{index}]")
    elif schema.kind in UNTYPED:
        if isinstance(value, dict | list):
            yield f"{path}: expected any scalar, got {_shown(value)}"
    elif schema.kind in EXPECTED:
        name, types = EXPECTED[schema.kind]
        if not isinstance(value, types) or (isinstance(value, bool) and schema.kind != "bool"):
            yield f"{path}: expected {name}, got {_found(name, value)}"


def _items(field: Field, items: list[Any], path: str) -> Iterator[str]:
    """Items that cannot be told apart: without keys, or with keys that another has."""
    is_set = field.list_type == "set"
    seen: list[Any] = []
    for index, item in enumerate(items):
        problem = _key_problem(field, item)
        if problem:
            yield f"{path}: element {index}: associative list {'without' if is_set else 'with'} keys {problem}"
            continue
        keys = item if is_set else item_keys(field, item)
        if keys in seen:
            yield f"{path}: duplicate entries for key [{f'={go_syntax(item)}' if is_set else _keys(field, item)}]"
        seen.append(keys)


def _key_problem(field: Field, item: Any) -> str:
    if field.list_type == "set":
        return "has an element that's an explicit null" if item is None else ""
    if not isinstance(item, dict):
        return f"may not have {'a null element' if item is None else 'non-map elements'}"
    known = item_keys(field, item)
    missing = next((key for key in field.map_keys if key not in known), "")
    if not missing:
        return ""
    if known:
        return f'has an element that omits key field "{missing}" (and doesn\'t have default value)'
    listed = " ".join(map(go_syntax, field.map_keys))
    return f"has an element that omits all key fields [{listed}] (and doesn't have default values for any key fields)"


def _keys(field: Field, item: dict[str, Any]) -> str:
    return ",".join(f"{key}={go_syntax(value)}" for key, value in item_keys(field, item).items())


def _found(expected: str, value: Any) -> str:
    """Go shows each in another way: the value's struct, its type, or the value."""
    if expected == "string":
        return f"&value.valueUnstructured{{Value:{go_syntax(value)}}}"
    return _shown(value) if expected == "boolean" else go_type(value)


def _shown(value: Any) -> str:
    return f"&{{{go_print(value)}}}"
