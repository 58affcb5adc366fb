"""The patch of each kind that leads from one object to another, now and then a bad one."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import jsonpatch

from .vocabulary import Object, draw

CONTENT_TYPES = {
    "apply": "application/apply-patch+yaml",
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


def make_patch(random: Random, kind: str, before: Object, after: Object) -> Any:
    """The patch of a kind, as plain values."""
    if kind == "json":
        return json_patch(random, before, after)
    if kind == "apply":
        return after
    difference = merge_patch(before, after)
    if kind == "strategic":
        _direct(random, difference)
    return difference


def json_patch(random: Random, before: Object, after: Object) -> Any:
    operations: list[Any] = list(jsonpatch.make_patch(before, after).patch)
    if random.random() < 0.3:
        operations.insert(random.randrange(len(operations) + 1), draw(random, "operations"))
    return draw(random, "no_json_patches") if random.random() < 0.05 else operations


def merge_patch(before: Object, after: Object) -> Object:
    """RFC 7386: what to add, and null for what goes."""
    patch: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            if inner := merge_patch(before[key], value):
                patch[key] = inner
        elif key not in before or before[key] != value or type(before[key]) is not type(value):
            patch[key] = copy.deepcopy(value)
    return patch


def _direct(random: Random, patch: Any) -> None:
    """Put directives of strategic merge patches into some of its maps."""
    for item in list(patch.values()) if isinstance(patch, dict) else patch if isinstance(patch, list) else ():
        _direct(random, item)
    if not isinstance(patch, dict):
        return
    if random.random() < 0.15:
        patch["$patch"] = random.choice(("delete", "replace", "merge", "nosuch", 1))
    if random.random() < 0.06:
        patch["$retainKeys"] = random.choice((list(patch), ["type"], [], "type"))
    for key in list(patch):
        if not key.startswith("$") and random.random() < 0.05:
            directive = random.choice(("$setElementOrder", "$deleteFromPrimitiveList"))
            patch[f"{directive}/{key}"] = random.choice((draw(random, "some_types"), copy.deepcopy(patch[key])))
