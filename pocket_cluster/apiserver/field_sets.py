"""Sets of fields: which parts of an object somebody manages, as ``metadata.managedFields`` writes them.

A path is a tuple of elements ``f:NAME`` (a field), ``k:{"name":"app"}`` (an item of a list by its keys) or
``v:"text"`` (an item of a set), as in structured-merge-diff, fieldpath/serialize-pe.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema import Field, Schema
from pocket_cluster.apiserver.schema.list_keys import item_keys

Path = tuple[str, ...]
FieldSet = frozenset[Path]
SELF = "."
# The server's own: nobody manages these (apimachinery, util/managedfields/stripmeta.go).
UNMANAGED = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{field}")
        for field in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ),
}


class Untypable(Exception):
    """An item of a list lacks what tells it from the others."""


def fields_of(schema: Schema | None, obj: Object, with_containers: bool, is_new: bool = False) -> FieldSet:
    """All fields of an object. ``with_containers``: what holds fields counts itself, as in an Update.

    It does unless it is there in an empty object too, as ``spec`` is and a list that is never left out. ``is_new``:
    from an empty object the fields are told, so that an empty text that is never left out does not count either.
    Raises Untypable.
    """
    found = frozenset(_struct(schema, obj, (), _Containers(with_containers, is_new, is_always_there=True)))
    return frozenset(path for path in found if not _is_unmanaged(path))


class _Containers(NamedTuple):
    """Whether what holds fields counts, whether the object is new, whether all around is there in an empty object."""

    are_counted: bool
    is_new: bool
    is_always_there: bool

    def counts(self, field: Field) -> bool:
        is_struct = field.schema.kind == "struct"
        is_there = not field.pointer if is_struct else field.written_when_empty
        return self.are_counted and not (self.is_always_there and is_there)

    def inside(self, field: Field) -> _Containers:
        return self._replace(is_always_there=self.is_always_there and not field.pointer)


def _is_unmanaged(path: Path) -> bool:
    return path in UNMANAGED or path[:2] in UNMANAGED


def _struct(schema: Schema | None, value: Object, path: Path, containers: _Containers) -> Iterator[Path]:
    for key, item in value.items():
        field = schema.fields.get(key) if schema else None
        yield from _value(field, item, (*path, f"f:{key}"), containers)


def _value(field: Field | None, value: Any, path: Path, containers: _Containers) -> Iterator[Path]:
    if field and not value and field.written_when_empty and containers.is_new and containers.is_always_there:
        return
    if field and field.schema.kind == "struct" and not value and not containers.counts(field):
        return
    if field is None or _is_atomic(field, value) or (not value and field.schema.kind != "list"):
        yield path
        return
    if containers.counts(field):
        yield path
    if field.schema.kind == "struct":
        yield from _struct(field.schema, value, path, containers.inside(field))
    elif field.schema.kind == "map":
        yield from ((*path, f"f:{key}") for key in value)
    else:
        yield from _items(field, value, path, containers._replace(is_always_there=False))


def _is_atomic(field: Field, value: Any) -> bool:
    if isinstance(value, list):
        return field.list_type not in ("map", "set")
    return not isinstance(value, dict) or field.map_type == "atomic" or field.schema.kind not in ("struct", "map")


def _items(field: Field, items: list[Any], path: Path, containers: _Containers) -> Iterator[Path]:
    for item in items:
        place = (*path, item_element(field, item))
        yield place
        if field.list_type == "map" and field.schema.items and not field.schema.items.is_atomic:
            yield from _struct(field.schema.items, item, place, containers)


def item_element(field: Field, item: Any) -> str:
    """How an item of a list is named in a path."""
    if field.list_type == "set":
        return "v:" + json.dumps(item, separators=(",", ":"))
    keys = item_keys(field, item) if isinstance(item, dict) else {}
    if not keys:
        raise Untypable
    return "k:" + json.dumps(keys, separators=(",", ":"))


def value_at(schema: Schema, obj: Object, path: Path) -> Any:
    """The value at a path, or None."""
    value: Any = obj
    field: Field | None = None
    within: Schema | None = schema
    for element in path:
        if element.startswith("f:"):
            value = value.get(element[2:]) if isinstance(value, dict) else None
            field = within.fields.get(element[2:]) if within else None
            within = field.schema if field else None
        else:
            items = value if isinstance(value, list) else []
            value = next((item for item in items if field and item_element(field, item) == element), None)
            within = within.items if within else None
        if value is None:
            return None
    return value


def encode(fields: FieldSet) -> Object:
    """The set as FieldsV1."""
    tree: Object = {}
    parents = {path[:length] for path in fields for length in range(1, len(path))}
    for path in sorted(fields):
        place = tree
        for element in path:
            place = place.setdefault(element, {})
        if path in parents:
            place[SELF] = {}
    return tree


def decode(tree: Any) -> FieldSet:
    """The set that a FieldsV1 stands for; ValueError when it stands for none."""
    return frozenset(_decode(tree, ()))


def _decode(tree: Any, path: Path) -> Iterator[Path]:
    if not isinstance(tree, dict | None):
        raise ValueError(f"{tree!r} holds no fields")
    tree = tree or {}
    inner = {element: value for element, value in tree.items() if element != SELF and _is_known(element)}
    if path and (SELF in tree or not inner):
        yield path
    for element, value in inner.items():
        yield from _decode(value, (*path, element))


def _is_known(element: str) -> bool:
    """Whether this element is of a kind that exists; ValueError when it cannot be read (fieldpath/serialize-pe.go)."""
    if element[1:2] != ":":
        raise ValueError(f"{element!r} does not begin with a letter and a colon")
    kind, text = element[0], element[2:]
    try:
        value = json.loads(text) if kind in "vk" else int(text) if kind == "i" else None
    except RecursionError:
        raise ValueError(f"{element[:20]!r} is too deep") from None
    if kind == "k" and not isinstance(value, dict):
        raise ValueError(f"{element!r} has no keys")
    return kind in "fvki"
