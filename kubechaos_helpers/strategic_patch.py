"""The patch that ``kubectl apply`` computes: three states in, one strategic merge patch out. Nothing here does I/O.

The rules are those of Kubernetes' apimachinery, ``pkg/util/strategicpatch/patch.go`` (CreateThreeWayMergePatch). How a
list is merged stands in the cluster's own OpenAPI document; a kind that is not in it gets a JSON merge patch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
MERGE_KEY, STRATEGY = "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy"


@dataclass(frozen=True)
class Schema:
    """One field's type in an OpenAPI v3 document. Without an entry nothing is known of it, nor of what is in it."""

    components: Mapping[str, Any] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)

    @property
    def merge_key(self) -> str:
        """The field that tells the elements of a list apart; ``""`` for a list of plain values."""
        return str(self.entry.get(MERGE_KEY, ""))

    @property
    def strategies(self) -> list[str]:
        """Of ``merge``, ``replace`` and ``retainKeys`` those that hold for this field."""
        return str(self.entry.get(STRATEGY, "")).split(",")

    @property
    def element(self) -> Schema:
        """The type of a list's elements; what is retained in a list is retained in each of its elements."""
        return Schema(self.components, {**self.entry.get("items", {}), STRATEGY: self._retained})

    @property
    def _retained(self) -> str:
        return "retainKeys" if "retainKeys" in self.strategies else ""

    def property(self, name: str) -> Schema:
        """The type of a field, or of a map's value."""
        found = self.entry
        reference = found.get("$ref") or next((each.get("$ref") for each in found.get("allOf", ())), None)
        if reference:
            found = self.components.get(reference.rpartition("/")[2], {})
        return Schema(self.components, (found.get("properties") or {}).get(name) or {})


def schema_of(document: Object, group: str, version: str, kind: str) -> Schema | None:
    """A kind's type in an OpenAPI v3 document, if it is there."""
    components = (document.get("components") or {}).get("schemas") or {}
    wanted = {"group": group, "version": version, "kind": kind}
    for entry in components.values():
        if wanted in entry.get("x-kubernetes-group-version-kind", ()) and "properties" in entry:
            return Schema(components, entry)
    return None


def three_way_patch(before: Object, wanted: Object, live: Object, schema: Schema) -> Object:
    """What makes ``live`` say what ``wanted`` says, and drops what only ``before`` said; ``{}`` if there is nothing.

    ``before`` is what the last apply wanted. Fields that neither names are left as others have set them.
    """
    patch: Object = {key: None for key in before if key not in wanted and key in live}
    for key, value in wanted.items():
        patch |= _field_patch(key, before.get(key), value, live.get(key), schema.property(key))
    if patch and "retainKeys" in schema.strategies:
        patch["$retainKeys"] = sorted(wanted)
    return patch


def _field_patch(key: str, before: Any, wanted: Any, live: Any, schema: Schema) -> Object:
    if isinstance(wanted, dict) and isinstance(live, dict):
        inner = three_way_patch(before if isinstance(before, dict) else {}, wanted, live, schema)
        return {key: inner} if inner else {}
    if "merge" in schema.strategies and isinstance(wanted, list) and isinstance(live, list):
        known = before if isinstance(before, list) else []
        if not schema.merge_key:
            return _values_patch(key, known, wanted, live)
        if all(isinstance(each, dict) and schema.merge_key in each for each in (*known, *wanted, *live)):
            return _elements_patch(key, known, wanted, live, schema)
    return {} if wanted == live else {key: wanted}


def _values_patch(key: str, before: Sequence[Any], wanted: Sequence[Any], live: Sequence[Any]) -> Object:
    """A list of plain values that is merged as a set, such as finalizers."""
    patch: Object = {}
    if added := [value for value in wanted if value not in live]:
        patch[key] = added
    if removed := [value for value in before if value not in wanted and value in live]:
        patch[f"$deleteFromPrimitiveList/{key}"] = removed
    return {**patch, f"$setElementOrder/{key}": list(wanted)} if patch or _is_reordered(wanted, live) else {}


def _elements_patch(
    key: str, before: Sequence[Object], wanted: Sequence[Object], live: Sequence[Object], schema: Schema
) -> Object:
    """A list whose elements are told apart by a key, such as containers by their names."""
    merge_key = schema.merge_key
    known, there = ({each[merge_key]: each for each in items} for items in (before, live))
    changes: list[Object] = []
    for each in wanted:
        name = each[merge_key]
        change = three_way_patch(known.get(name) or {}, each, there[name], schema.element) if name in there else each
        changes += [{**change, merge_key: name}] if change else []
    names = [each[merge_key] for each in wanted]
    changes += [{"$patch": "delete", merge_key: name} for name in known if name in there and name not in names]
    patch: Object = {key: changes} if changes else {}
    if patch or _is_reordered(names, list(there)):
        patch[f"$setElementOrder/{key}"] = [{merge_key: name} for name in names]
    return patch


def _is_reordered(wanted: Sequence[Any], live: Sequence[Any]) -> bool:
    return [each for each in live if each in wanted] != list(wanted)
