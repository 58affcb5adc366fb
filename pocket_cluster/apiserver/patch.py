"""Patches: JSON Patch (RFC 6902), merge patch (RFC 7386) and strategic merge patch, with the real API's refusals.

Wording: apiserver, endpoints/handlers/patch.go.
"""

from __future__ import annotations

from typing import Any

import jsonpatch

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.schema import definition_for
from pocket_cluster.apiserver.strategic_merge import StrategicMergeError, strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
CONTENT_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
REJECTED = "the server rejected our request due to an error in our request"


def apply_patch(resource: Resource, current: Object, patch: Any, content_type: str) -> Object:
    """What the patch makes of a copy of ``current``; StatusError when it does not fit."""
    if content_type != STRATEGIC_PATCH:
        return apply_patch_plain(current, patch, content_type)
    if not isinstance(patch, dict):
        raise errors.bad_request("the patch must be an object")
    try:
        return strategic_merge(definition_for(resource), current, patch)
    except StrategicMergeError as error:
        raise errors.bad_request(str(error)) from None


def apply_patch_plain(current: Object, patch: Any, content_type: str) -> Object:
    """The same for objects without a definition (Scale): a strategic patch is a merge patch there."""
    if content_type == JSON_PATCH:
        return _json_patch(current, patch)
    if not isinstance(patch, dict):
        raise errors.bad_request("the patch must be an object")
    merged: Object = merge(current, patch)
    return merged


def _json_patch(current: Object, patch: Any) -> Object:
    try:
        changed: Object = jsonpatch.apply_patch(current, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise errors.StatusError(422, "Invalid", REJECTED) from error
    if not isinstance(changed, dict):
        raise errors.StatusError(422, "Invalid", REJECTED)
    return changed


def merge(current: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
