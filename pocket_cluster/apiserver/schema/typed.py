"""What keeps an applied configuration from being typed, in the words of server-side apply.

It is not decoded as other bodies are: structured-merge-diff, typed/validate.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.apiserver.schema.definitions import Field, Schema
from pocket_cluster.apiserver.schema.go_values import go_print, go_syntax
from pocket_cluster.apiserver.schema.list_keys import item_keys

EXPECTED: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "string": ("string", str),
    "bytes": ("string", str),
    "bool": ("boolean", bool),
    "int32": ("numeric (int or float)", (int, float)),
    "int64": ("numeric (int or float)", (int, float)),
}
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
    if field.schema.kind == "list" and isinstance(value, list) and field.list_type in ("map", "set"):
        yield from _duplicates(field, value, path)
    yield from _value(field.schema, value, path)


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
    elif schema.kind in EXPECTED:
        name, types = EXPECTED[schema.kind]
        if not isinstance(value, types) or (isinstance(value, bool) and schema.kind != "bool"):
            shown = f"&value.valueUnstructured{{Value:{go_syntax(value)}}}" if name == "string" else _shown(value)
            yield f"{path}: expected {name}, got {shown}"


def _duplicates(field: Field, items: list[Any], path: str) -> Iterator[str]:
    seen: list[Any] = []
    for item in items:
        if field.list_type == "set":
            keys, shown = item, f"={go_syntax(item)}"
        elif isinstance(item, dict):
            keys = item_keys(field, item)
            shown = ",".join(f"{key}={go_syntax(value)}" for key, value in keys.items())
        else:
            continue
        if keys in seen:
            yield f"{path}: duplicate entries for key [{shown}]"
        seen.append(keys)


def _shown(value: Any) -> str:
    return f"&{{{go_print(value)}}}"
