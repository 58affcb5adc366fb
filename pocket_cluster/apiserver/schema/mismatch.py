"""Why a patched object does not fit its type, in the words of Go's converter from plain maps.

A strategic merge patch is not decoded from JSON but converted, with errors of its own: apimachinery,
pkg/runtime/converter.go.
"""

from __future__ import annotations

from typing import Any

from pocket_cluster.apiserver.schema.decode import special_error
from pocket_cluster.apiserver.schema.definitions import ANY, Schema
from pocket_cluster.apiserver.schema.go_values import go_kind, go_type

NUMBERS = ("int32", "int64")


def mismatch(schema: Schema, value: Any) -> str:
    """The first thing that does not fit, as a sentence without a place; ``""`` when everything does."""
    if value is None or schema.kind == ANY:
        return ""
    if schema.kind in ("struct", "map", "list"):
        return _container(schema, value)
    if schema.kind in ("string", "bool", *NUMBERS):
        return _scalar(schema, value)
    if schema.kind == "bytes" and not isinstance(value, str):
        return _cannot_restore("slice", value)
    error = special_error(schema.kind, value)
    return f"error decoding from json: {error}" if error and schema.kind == "bytes" else error


def _container(schema: Schema, value: Any) -> str:
    if schema.kind == "list":
        if not isinstance(value, list):
            return _cannot_restore("slice", value)
        assert schema.items is not None
        return next(filter(None, (mismatch(schema.items, item) for item in value)), "")
    if not isinstance(value, dict):
        return _cannot_restore("map" if schema.kind == "map" else "struct", value)
    if schema.kind == "map":
        assert schema.items is not None
        return next(filter(None, (mismatch(schema.items, item) for item in value.values())), "")
    fields = ((field.schema, value.get(name)) for name, field in schema.fields.items())
    return next(filter(None, (mismatch(inner, item) for inner, item in fields)), "")


def _cannot_restore(what: str, value: Any) -> str:
    preposition = "from:" if what == "struct" else "from"
    return f"cannot restore {what} {preposition} {go_kind(value)}"


def _scalar(schema: Schema, value: Any) -> str:
    if isinstance(value, str if schema.kind == "string" else bool if schema.kind == "bool" else int):
        return f"unrecognized type: {schema.kind}" if isinstance(value, bool) and schema.kind in NUMBERS else ""
    if isinstance(value, float) and schema.kind in NUMBERS:
        return "" if value.is_integer() else f"cannot convert float64 to {schema.go}"
    if isinstance(value, int) and not isinstance(value, bool) and schema.kind == "string":
        return f"cannot convert {go_type(value)} to {schema.go}"  # Go could make a character of it
    return f"unrecognized type: {schema.kind}"
