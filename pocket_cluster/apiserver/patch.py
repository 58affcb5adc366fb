"""Patches: JSON Patch (RFC 6902), merge patch (RFC 7386) and strategic merge patch, with the real API's refusals.

Wording: apiserver, endpoints/handlers/patch.go.
"""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any

import jsonpatch

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors, schema
from pocket_cluster.apiserver.request import Body
from pocket_cluster.apiserver.schema.field_errors import invalid
from pocket_cluster.apiserver.store import encode
from pocket_cluster.apiserver.strategic_merge import StrategicMergeError, strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
CONTENT_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
MAP = "map[string]interface {}"
OPERATION = "handlers.jsonPatchOp"
OPERATIONS = f"[]{OPERATION}"
MOST_OPERATIONS = 10_000
LARGEST_COPIES = 3 * 1024 * 1024  # evanphx/json-patch, AccumulatedCopySizeLimit, as the API server sets it
REJECTED = "the server rejected our request due to an error in our request"
OPERATION_TEXTS = ("op", "path", "from")
OPERATION_FIELDS = {"op", "path", "from", "value"}


def read(raw: bytes, content_type: str) -> Body:
    """The patch in a body; BadRequest when it is no JSON."""
    try:
        data = schema.parse_text(raw)
    except schema.DecodeError as error:
        raise _unreadable(content_type, str(error)) from None
    if number := schema.beyond_floats(data):
        where = "struct field jsonPatchOp.value" if content_type == JSON_PATCH else "value"
        raise _unreadable(content_type, f"json: cannot unmarshal number {number} into Go {where} of type float64")
    return Body(data, content_type)


def _unreadable(content_type: str, why: str) -> errors.StatusError:
    return errors.bad_request(why if content_type == STRATEGIC_PATCH else f"error decoding patch: {why}")


def apply_patch(resource: Resource, current: Object, patch: Body, strictness: str) -> tuple[Object, list[str]]:
    """The decoded object that the patch makes of a copy of ``current``, and what it passes with a warning.

    Raises StatusError when the patch does not fit the object, or the object then not its type.
    """
    changed, shown, notes = _changed(resource, current, patch)
    try:
        obj, unknown = schema.decode(resource, changed, "Warn")
    except schema.DecodeError as error:
        raise _misfit(shown, error.reason) from None
    notes += sorted(unknown)
    if notes and strictness == "Strict":
        raise _misfit(shown, f"strict decoding error: {', '.join(notes)}")
    return obj, notes if strictness == "Warn" else []


def _changed(resource: Resource, current: Object, patch: Body) -> tuple[Any, str, list[str]]:
    """The object as the patch makes it, what a refusal shows, and notes on the patch itself."""
    if patch.content_type == JSON_PATCH:
        changed, notes = _json_patch(current, patch)
        return changed, encode(changed).decode(), notes
    notes = [f'duplicate field "{path}"' for path in schema.duplicates_in(patch.data)]
    if patch.data is None and patch.content_type == STRATEGIC_PATCH:
        return current, "", notes
    if patch.data is None:
        raise errors.bad_request("Invalid JSON Patch")
    if not isinstance(patch.data, dict):
        raise _unreadable(patch.content_type, _not_a(MAP, patch.data))
    if patch.content_type == MERGE_PATCH:
        changed = merge(current, patch.data)
        return changed, encode(changed).decode(), notes
    shown = schema.go_print(patch.data)
    changed = _strategic(resource, current, schema.with_whole_numbers(patch.data))
    problem = schema.mismatch(schema.definition_for(resource), changed)
    if problem:
        raise _misfit(shown, problem)
    return changed, shown, notes


def _not_a(go: str, found: Any) -> str:
    return f"json: cannot unmarshal {schema.json_type(found)} into Go value of type {go}"


def _misfit(shown: str, why: str) -> errors.StatusError:
    problem = invalid("patch", shown, why)
    return errors.StatusError(422, "Invalid", f' "" is invalid: {problem}', {"causes": [problem.cause]})


def _strategic(resource: Resource, current: Object, patch: Object) -> Object:
    try:
        return strategic_merge(schema.definition_for(resource), current, patch)
    except StrategicMergeError as error:
        if error.code == 400:
            raise errors.bad_request(str(error)) from None
        if error.code == 422:
            raise errors.StatusError(422, "Invalid", REJECTED, {}) from None
        raise errors.StatusError(500, "", str(error)) from None


class _Replace(jsonpatch.ReplaceOperation):
    """Go's library replaces what is not there too: it adds it (evanphx/json-patch, v4)."""

    def apply(self, obj: Any) -> Any:
        parent, key = self.pointer.to_last(obj)
        if isinstance(parent, dict):
            parent.setdefault(key, None)
        return super().apply(obj)


class _Test(jsonpatch.TestOperation):
    """What is not there is null to Go's library."""

    def apply(self, obj: Any) -> Any:
        parent, key = self.pointer.to_last(obj)
        if isinstance(parent, dict) and self.operation.get("value") is None and parent.get(key) is None:
            return obj
        return super().apply(obj)


REFUSED = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    TypeError,
    KeyError,
    ValueError,
    RecursionError,
)


class _JsonPatch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "replace": _Replace, "test": _Test})


def _json_patch(current: Object, patch: Body) -> tuple[Any, list[str]]:
    operations = [] if patch.data is None else patch.data
    if not isinstance(operations, list):
        raise _unreadable(JSON_PATCH, _not_a(OPERATIONS, operations))
    if len(operations) > MOST_OPERATIONS:
        raise errors.too_large(
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, dict | None):
            raise _unreadable(JSON_PATCH, _not_a(OPERATION, operation))
        for field in OPERATION_TEXTS:
            if not isinstance(found := (operation or {}).get(field), str | None):
                where = f"Go struct field jsonPatchOp.{field} of type string"
                raise _unreadable(JSON_PATCH, f"json: cannot unmarshal {schema.json_type(found)} into {where}")
    if None in operations:
        raise errors.StatusError(422, "Invalid", REJECTED, {})
    if any(each.get("path") == "" and each.get("op") == "add" for each in operations):
        raise errors.StatusError(422, "Invalid", REJECTED, {})  # a document can be replaced, not added
    notes = [
        f'json patch unknown field "[{index}].{field}"'
        for index, operation in enumerate(operations)
        for field in operation
        if field not in OPERATION_FIELDS
    ]
    try:
        changed = _applied(operations, current)
    except REFUSED as error:
        raise errors.StatusError(422, "Invalid", REJECTED, {}) from error
    if not isinstance(changed, dict | list) or schema.too_deep(changed):
        raise errors.StatusError(422, "Invalid", REJECTED, {})
    return changed, notes


def _applied(operations: list[Object], current: Object) -> Any:
    """What the operations make of the object; JsonPatchException when copies come to more than a body may be."""
    changed, copied = copy.deepcopy(current), 0
    for operation in operations:
        if operation.get("op") == "copy" and "from" in operation:
            copied += len(encode(jsonpatch.JsonPointer(operation["from"]).resolve(changed)))
            if copied > LARGEST_COPIES:
                raise jsonpatch.JsonPatchException(f"copies of more than {LARGEST_COPIES} bytes")
        changed = _JsonPatch([operation]).apply(changed, in_place=True)
    return changed


def merge(current: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, anything else replaces."""
    if isinstance(patch, list):
        return [merge({}, item) if isinstance(item, dict) else item for item in patch]
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
