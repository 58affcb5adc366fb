"""Strategic merge patch: lists merge by key, and directives say what to delete, replace or order.

Rules and wording: apimachinery, pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema import Field, Schema, go_print, go_text, go_type

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
ABSENT = object()


class StrategicMergeError(ValueError):
    """The patch contradicts itself or the type that it is for. The real server calls some of it a bad request (400),
    some unprocessable (422), and stumbles over the rest (500)."""

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.code = code


def strategic_merge(schema: Schema, current: Object, patch: Object) -> Object:
    """What the patch makes of ``current``, an object of that type. Neither is changed."""
    return _merge_struct(schema, copy.deepcopy(current), copy.deepcopy(patch))


def _merge_struct(schema: Schema | None, original: Object, patch: Object) -> Object:
    if DIRECTIVE in patch:
        return _follow_directive(patch)
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(SET_ORDER)]:
        _merge_in_order(schema, original, patch, key)
    for key, value in patch.items():
        _merge_field(schema, original, key, value)
    return original


def _follow_directive(patch: Object) -> Object:
    directive = patch[DIRECTIVE]
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    raise StrategicMergeError(f"unknown patch type: {go_text(directive)} in map: {go_print(patch)}")


def _retain_keys(original: Object, patch: Object) -> None:
    if RETAIN_KEYS not in patch:
        return
    retained = patch.pop(RETAIN_KEYS)
    named = {key for key, value in patch.items() if value is not None and not key.startswith("$")}
    if not isinstance(retained, list) or not named <= {key for key in retained if isinstance(key, str)}:
        raise StrategicMergeError("invalid patch format of retainKeys", 400)
    for key in set(original) - set(retained):
        del original[key]


def _merge_field(schema: Schema | None, original: Object, key: str, value: Any) -> None:
    deletes = key.startswith(DELETE_PRIMITIVES)
    key = key.removeprefix(DELETE_PRIMITIVES)
    if value is None:
        original.pop(key, None)
        return
    before, field = original.get(key, ABSENT), schema.fields.get(key) if schema else None
    if before is ABSENT or go_type(before) != go_type(value):
        if not deletes:
            _take(original, key, _without_nulls(value))
    elif isinstance(value, dict):
        is_replaced = field is not None and _strategy(field) == "replace"
        original[key] = value if is_replaced else _merge_struct(_struct(field), before, value)
    elif isinstance(value, list):
        original[key] = _merge_list(field, before, value, deletes)
    else:
        original[key] = value


def _strategy(field: Field) -> str:
    """How the field merges, beside retainKeys: merge, replace or ``""``."""
    return next((each for each in field.patch_strategy.split(",") if each != "retainKeys"), "")


def _struct(field: Field | None) -> Schema | None:
    """The type of a field's value: of a struct itself; of a map's entries it is not needed, keys merge plainly."""
    return field.schema if field and field.schema.kind == "struct" else None


def _take(original: Object, key: str, value: Any) -> None:
    """What the object lacked is taken from the patch as it is, but for parts that are directives."""
    if _is_directive(value):
        original.pop(key, None)
    else:
        original[key] = _without_directives(value)


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_directives(item) for key, item in value.items() if not _is_directive(item)}
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directive(item)]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


# --- lists


def _merge_list(field: Field | None, original: list[Any], patch: list[Any], deletes: bool = False) -> list[Any]:
    if not deletes and (field is None or _strategy(field) != "merge"):
        return patch
    if not original and not patch:
        return original
    if not _are_maps(original, patch):
        if deletes:
            return [item for item in original if item not in patch]
        return _in_order(list(dict.fromkeys([*original, *patch])), patch, original, _itself)
    key = field.merge_key if field else ""
    if not key or field is None:
        raise StrategicMergeError("cannot merge lists without merge key for ")
    original, patch = _follow_item_directives(original, patch, key)
    merged = list(original)
    for item in patch:
        _merge_item(field.schema.items, merged, key, item)
    return _in_order(merged, patch, original, _by(key))


def _are_maps(*lists: list[Any]) -> bool:
    """Whether the items are maps; StrategicMergeError when they are lists or differ."""
    types = {go_type(item) for each in lists for item in each}
    if len(types) > 1:
        raise StrategicMergeError(f"list element types are not identical: {go_print(list(lists))}")
    if types == {go_type([])}:
        raise StrategicMergeError("lists of lists are not supported", 422)
    return types == {go_type({})}


def _follow_item_directives(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The list without what the patch deletes, and the patch without its directives."""
    rest, replaces = [], False
    for item in patch:
        match item.get(DIRECTIVE, ABSENT):
            case directive if directive is ABSENT:
                rest.append(item)
            case "delete":
                unwanted = _merge_key_of(item, key)
                original = [other for other in original if other.get(key) != unwanted]
            case "replace":
                replaces = True
            case "merge":
                raise StrategicMergeError("merging lists cannot yet be specified in the patch")
            case other:
                raise StrategicMergeError(f"unknown patch type: {go_text(other)} in map: {go_print(item)}")
    return (rest, []) if replaces else (original, rest)


def _merge_item(schema: Schema | None, merged: list[Any], key: str, item: Object) -> None:
    identity = _merge_key_of(item, key)
    for index, other in enumerate(merged):
        if other.get(key) == identity:
            merged[index] = _merge_struct(schema, other, item)
            return
    merged.append(item)


def _merge_key_of(item: Object, key: str) -> Any:
    if key not in item:
        raise StrategicMergeError(f"map: {go_print(item)} does not contain declared merge key: {key}")
    return item[key]


Identity = Callable[[Any], Any]


def _itself(item: Any) -> Any:
    return item


def _by(key: str) -> Identity:
    return lambda item: _merge_key_of(item, key)


def _in_order(merged: list[Any], wanted: Sequence[Any], live: Sequence[Any], identity: Identity) -> list[Any]:
    """First the order of the patch, then that of the live list: each of the server's own items stands before the first
    of the patch's items that it preceded."""
    order, places = [identity(item) for item in wanted], [identity(item) for item in live]
    mine = sorted((item for item in merged if identity(item) in order), key=lambda item: order.index(identity(item)))
    others = [item for item in merged if identity(item) not in order]
    result = []
    for item in mine:
        while others and _precedes(identity(others[0]), identity(item), places):
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _precedes(one: Any, other: Any, places: list[Any]) -> bool:
    return one in places and other in places and places.index(one) < places.index(other)


# --- lists with an order of their own


def _merge_in_order(schema: Schema | None, original: Object, patch: Object, directive: str) -> None:
    """Merge a list whose order the patch gives in ``$setElementOrder/NAME``."""
    name, order = directive.removeprefix(SET_ORDER), _a_list(patch.pop(directive))
    field = schema.fields.get(name) if schema else None
    before, value = _a_list(original.get(name)), _a_list(patch.get(name))
    identity = _by(field.merge_key) if field and field.merge_key else _itself
    if value and order:
        _check_order(value, order, identity)
    if name in original and name in patch:
        merged = _merge_list(field, before, value)
    elif name in original or name in patch:
        merged = before or _without_directives(value)
    else:
        return
    patch.pop(name, None)
    original[name] = _in_order(merged, order, before, identity)


def _a_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise StrategicMergeError(f"expected a []interface {{}}, but received a {go_type(value)}")
    return value


def _check_order(patch: list[Any], order: list[Any], identity: Identity) -> None:
    """What the patch sets must stand in the order, and in the same sequence."""
    rest = iter(identity(item) for item in order)
    if all(any(identity(item) == each for each in rest) for item in patch if not _is_directive(item)):
        return
    lists = f"{go_print(patch)}\n doesn't match $setElementOrder list:\n{go_print(order)}\n"
    raise StrategicMergeError(f"The order in patch list:\n{lists}")
