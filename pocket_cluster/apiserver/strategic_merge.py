"""Strategic merge patch: lists merge by key, and directives say what to delete, replace or order.

Rules: apimachinery, pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema import Field, Schema

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"


class StrategicMergeError(ValueError):
    """The patch contradicts itself or the type that it is for."""


def strategic_merge(schema: Schema, current: Object, patch: Object) -> Object:
    """What the patch makes of ``current``, an object of that type. Neither is changed."""
    return _merge_struct(schema, copy.deepcopy(current), copy.deepcopy(patch))


def _merge_struct(schema: Schema | None, current: Object, patch: Object) -> Object:
    directive = patch.pop(DIRECTIVE, None)
    if directive == "replace":
        replaced: Object = _without_directives(patch)
        return replaced
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise StrategicMergeError(f"Unknown patch type: {directive}")
    retained = patch.pop(RETAIN_KEYS, None)
    if retained is not None:
        current = {key: value for key, value in current.items() if key in retained}
    _delete_primitives(current, patch)
    orders = {key.removeprefix(SET_ORDER): patch.pop(key) for key in list(patch) if key.startswith(SET_ORDER)}
    for key, value in patch.items():
        _merge_field(_field(schema, key), current, key, value, orders.pop(key, None))
    for key, order in orders.items():
        if isinstance(current.get(key), list):
            current[key] = _ordered(_field(schema, key), current[key], [], order)
    return current


def _field(schema: Schema | None, key: str) -> Field | None:
    return schema.fields.get(key) if schema else None


def _merge_field(field: Field | None, current: Object, key: str, value: Any, order: list[Any] | None) -> None:
    if value is None:
        current.pop(key, None)
        return
    before = current.get(key)
    if isinstance(value, dict):
        if field and "replace" in field.patch_strategy.split(","):
            current[key] = _without_directives(value)
        else:
            inner = _inner(field)
            current[key] = _merge_struct(inner, before if isinstance(before, dict) else {}, value)
    elif isinstance(value, list) and field and "merge" in field.patch_strategy.split(","):
        current[key] = _merge_list(field, before if isinstance(before, list) else [], value, order)
    else:
        current[key] = _without_directives(value)


def _inner(field: Field | None) -> Schema | None:
    """The type of a field's value: of a struct itself; of a map's entries it is not needed, keys merge plainly."""
    return field.schema if field and field.schema.kind == "struct" else None


def _delete_primitives(current: Object, patch: Object) -> None:
    for key in [key for key in patch if key.startswith(DELETE_PRIMITIVES)]:
        unwanted = patch.pop(key)
        name = key.removeprefix(DELETE_PRIMITIVES)
        if isinstance(current.get(name), list):
            current[name] = [item for item in current[name] if item not in unwanted]


def _merge_list(field: Field, current: list[Any], patch: list[Any], order: list[Any] | None) -> list[Any]:
    items = field.schema.items
    if items is None or items.kind != "struct":
        merged = current + [item for item in patch if item not in current]
        return _ordered(field, merged, patch, order)
    key = field.merge_key
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" for item in patch):
        return [_without_directives(item) for item in patch if not _is_directive(item)]
    merged = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise StrategicMergeError(f"map: {item} does not contain declared merge key: {key}")
        merged = _merge_item(items, merged, key, item)
    return _ordered(field, merged, [item for item in patch if item.get(DIRECTIVE) != "delete"], order)


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and set(item) == {DIRECTIVE}


def _merge_item(schema: Schema, merged: list[Any], key: str, item: Object) -> list[Any]:
    places = [index for index, other in enumerate(merged) if other.get(key) == item[key]]
    if item.get(DIRECTIVE) == "delete":
        return [other for index, other in enumerate(merged) if index not in places]
    if not places:
        return [*merged, _merge_struct(schema, {}, item)]
    merged[places[0]] = _merge_struct(schema, merged[places[0]], item)
    return merged


def _ordered(field: Field | None, merged: list[Any], patch: Sequence[Any], order: list[Any] | None) -> list[Any]:
    """The list in the order that the patch asks for; what it does not name stays before what followed it."""
    if order is None:
        return merged
    key = field.merge_key if field else ""
    wanted = [_identity(item, key) for item in order]
    named = [item for item in merged if _identity(item, key) in wanted]
    named.sort(key=lambda item: wanted.index(_identity(item, key)))
    result: list[Any] = []
    rest = [item for item in merged if _identity(item, key) not in wanted]
    places = {id(item): index for index, item in enumerate(merged)}
    for item in named:
        while rest and places[id(rest[0])] < places[id(item)]:
            result.append(rest.pop(0))
        result.append(item)
    return result + rest


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) and key else item


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if not key.startswith("$") and item is not None
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directive(item)]
    return value
