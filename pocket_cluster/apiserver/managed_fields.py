"""Who manages which fields: kept at every write, and what server-side apply is made of.

Rules: structured-merge-diff, merge/update.go, and apimachinery, util/managedfields.
"""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors, field_sets
from pocket_cluster.apiserver.field_sets import FieldSet, Path
from pocket_cluster.apiserver.schema import Field, Schema, definition_for

# Kept up to date for who goes back to client-side apply (apimachinery, util/managedfields, lastappliedupdater.go).
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Manager(NamedTuple):
    """One entry's identity."""

    name: str
    operation: str
    version: str
    subresource: str


Managers = dict[Manager, tuple[FieldSet, str]]


def update_managed_fields(
    resource: Resource, new: Object, old: Object | None, manager: str, operation: str, subresource: str, now: str
) -> None:
    """Note in ``new`` that ``manager`` changed what differs from ``old``; others lose those fields."""
    schema = definition_for(resource)
    managers = {} if subresource else _managers_in(new)
    managers = managers or _managers_in(old or {})
    if new["metadata"].get("managedFields") == [{}]:
        managers = {}  # a client that sends an empty entry asks to forget them
    try:
        after = _written(field_sets.fields_of(schema, new, with_containers=True, is_new=old is None), subresource)
        before = _written(field_sets.fields_of(schema, old, with_containers=True), subresource) if old else frozenset()
        changed = frozenset(path for path in after if path not in before or _differs(schema, new, old, path))
    except field_sets.Untypable:  # then nothing is known of who manages what (fieldmanager.UpdateNoErrors)
        new["metadata"].pop("managedFields", None)
        return
    removed = before - after
    me = Manager(manager, operation, resource.group_version, subresource)
    managers = _take(managers, me, changed, removed)
    if changed:
        mine = managers.get(me, (frozenset(), now))[0]
        managers[me] = ((mine | changed) & after, now)
    _write(new, managers)


def _written(fields: FieldSet, subresource: str) -> FieldSet:
    """What a request to the object, or to its status, can write at all (GetResetFields of each strategy)."""
    return frozenset(path for path in fields if (path[0] == "f:status") == (subresource == "status"))


def _applicable(fields: FieldSet, subresource: str) -> FieldSet:
    """What an apply to the object, or to its status, can own: to the status also labels and the like."""
    other = "f:spec" if subresource == "status" else "f:status"
    return frozenset(path for path in fields if path[0] != other)


def _differs(schema: Schema, new: Object, old: Object | None, path: Path) -> bool:
    one, other = field_sets.value_at(schema, new, path), field_sets.value_at(schema, old or {}, path)
    if path[-1].startswith(("k:", "v:")):
        return False  # an item is its keys; what is in it has paths of its own
    return bool(one != other) and not _has_inner(schema, path)


def _has_inner(schema: Schema, path: Path) -> bool:
    """Whether the field's parts have paths of their own: a granular map or list."""
    field = _field_at(schema, path)
    if field is None:
        return False
    if field.schema.kind == "list":
        return field.list_type in ("map", "set")
    return field.schema.kind in ("map", "struct") and field.map_type != "atomic"


def _field_at(schema: Schema, path: Path) -> Field | None:
    within: Schema | None = schema
    field: Field | None = None
    for element in path:
        if within is None:
            return None
        if element.startswith("f:"):
            field = within.fields.get(element[2:])
            within = field.schema if field else None
        else:
            within = within.items
            field = None
    return field


def _take(managers: Managers, me: Manager, changed: FieldSet, removed: FieldSet) -> Managers:
    """What others keep when ``me`` changed some fields and removed some; managers of nothing go.

    So do those of another version than the served one, of which nobody knows the fields.
    """
    kept: Managers = {}
    for manager, (fields, time) in managers.items():
        left = fields - removed if manager == me else fields - removed - changed
        if left and manager.version == me.version:
            kept[manager] = (left, time)
    return kept


def _managers_in(obj: Object) -> Managers:
    """What an object says of its managers; nothing when any part of it cannot be read.

    A request may say it too, as kubectl does to make its client-side applies server-side ones.
    """
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    try:
        return dict(map(_read, entries))
    except ValueError:
        return {}


def _read(entry: Object) -> tuple[Manager, tuple[FieldSet, str]]:
    """One entry; ValueError when it is none (util/managedfields/internal/managedfields.go)."""
    manager, operation, version = (entry.get(field, "") for field in ("manager", "operation", "apiVersion"))
    if operation not in ("Apply", "Update") or not version or entry.get("fieldsType") != "FieldsV1":
        raise ValueError(f"no operation, no version or no fields of a known type: {entry}")
    fields = field_sets.decode(entry.get("fieldsV1"))
    return Manager(manager, operation, version, entry.get("subresource", "")), (fields, entry.get("time", ""))


def _write(obj: Object, managers: Managers) -> None:
    """Applied entries first, then by time (apimachinery, util/managedfields/internal/managedfields.go)."""
    entries = []
    for manager, (fields, time) in managers.items():
        entry: Object = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.version,
            **({"time": time} if time else {}),
            "fieldsType": "FieldsV1",
            "fieldsV1": field_sets.encode(fields),
        }
        entries.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
    entries.sort(key=lambda entry: (entry["operation"], entry.get("time", ""), entry["manager"]))
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


# --- server-side apply


def server_side_apply(
    resource: Resource, current: Object | None, applied: Object, manager: str, force: bool, now: str, subresource: str
) -> Object:
    """The object after ``manager`` applied a configuration; Conflict when others manage what it would change.

    Fields that the manager applied before and no longer does go, unless somebody else manages them too.
    """
    schema = definition_for(resource)
    if (applied.get("metadata") or {}).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    me = Manager(manager, "Apply", resource.group_version, subresource)
    wanted = _applicable(field_sets.fields_of(schema, applied, with_containers=False), subresource)
    managers = _managers_in(current or {})
    live = copy.deepcopy(current) if current else {"metadata": {}}
    overruled = _conflicts(schema, live, applied, wanted, managers, me)
    if overruled and not force and manager == "kubectl":
        agreed = _applied_before(schema, live)
        remaining = [(other, [path for path in paths if path not in agreed]) for other, paths in overruled]
        force = not any(paths for _, paths in remaining)
        overruled = overruled if force else [(other, paths) for other, paths in remaining if paths]
    if overruled and not force:
        raise _conflict(resource, applied, overruled)
    merged: Object = _merge(schema, live, applied)
    if manager == "kubectl" and LAST_APPLIED in ((merged.get("metadata") or {}).get("annotations") or {}):
        merged["metadata"]["annotations"][LAST_APPLIED] = (
            json.dumps(applied, separators=(",", ":"), sort_keys=True) + "\n"
        )
    before, last_time = managers.pop(me, (frozenset(), ""))
    others = frozenset().union(*(fields for fields, _ in managers.values()))
    kept = wanted | others
    for path in sorted(before - kept, key=len):
        if not any(other[: len(path)] == path for other in kept):
            _remove(schema, merged, path)
    taken = frozenset(path for _, paths in overruled for path in paths)
    managers = _take(managers, me, taken, frozenset())
    if wanted:
        managers[me] = (wanted, now if merged != current else last_time)
    _write(merged, managers)
    return merged


def _conflicts(
    schema: Schema, live: Object, applied: Object, wanted: FieldSet, managers: Managers, me: Manager
) -> list[tuple[Manager, list[Path]]]:
    changed = [path for path in sorted(wanted, key=_own_fields_first) if _would_change(schema, live, applied, path)]
    found = [
        (manager, [path for path in changed if path in fields])
        for manager, (fields, _) in managers.items()
        if manager != me
    ]
    return [(manager, paths) for manager, paths in found if paths]


def _own_fields_first(path: Path) -> list[tuple[bool, str]]:
    """Go walks a set so: what ends at a level stands before what goes deeper (fieldpath/set.go)."""
    return [(depth < len(path), element) for depth, element in enumerate(path, 1)]


def _applied_before(schema: Schema, live: Object) -> FieldSet:
    """What ``kubectl apply`` has set on the client's side and nobody has changed since: its to change server-side."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        before = json.loads(text) if text else {}
        fields = field_sets.fields_of(schema, before, with_containers=False)
    except (ValueError, AttributeError, field_sets.Untypable):
        return frozenset()
    return frozenset(path for path in fields if not _would_change(schema, live, before, path))


def _would_change(schema: Schema, live: Object, applied: Object, path: Path) -> bool:
    if path[-1].startswith(("k:", "v:")):
        return False
    return bool(field_sets.value_at(schema, live, path) != field_sets.value_at(schema, applied, path))


def _conflict(resource: Resource, applied: Object, conflicts: list[tuple[Manager, list[Path]]]) -> errors.StatusError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_quoted(manager)}", "field": _dotted(path)}
        for manager, paths in conflicts
        for path in paths
    ]
    number = len(causes)
    listed = _listed(conflicts)
    message = f"Apply failed with {number} conflict{'s' if number != 1 else ''}: {listed}"
    return errors.StatusError(409, "Conflict", message, {"causes": causes})


def _quoted(manager: Manager) -> str:
    part = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{manager.name}"{part}' + (f" using {manager.version}" if manager.operation == "Update" else "")


def _listed(conflicts: list[tuple[Manager, list[Path]]]) -> str:
    if len(conflicts) == 1 and len(conflicts[0][1]) == 1:
        manager, paths = conflicts[0]
        return f"conflict with {_quoted(manager)}: {_dotted(paths[0])}"
    lines = []
    for manager, paths in conflicts:
        lines.append(f"conflicts with {_quoted(manager)}:")
        lines += [f"- {_dotted(path)}" for path in paths]
    return "\n".join(lines)


def _dotted(path: Path) -> str:
    return "".join(_element(element) for element in path)


def _element(element: str) -> str:
    if element.startswith("f:"):
        return f".{element[2:]}"
    inner = element[2:]
    if element.startswith("k:"):
        inner = inner[1:-1].replace('":', "=").replace('"', "", 1).replace(',"', ",")
    return f"[{inner}]"


def _merge(schema: Schema | None, live: Any, applied: Any) -> Any:
    """``live`` with everything that ``applied`` says."""
    if not isinstance(live, dict) or not isinstance(applied, dict):
        return live if applied is None else applied
    merged = dict(live)
    for key, value in applied.items():
        field = schema.fields.get(key) if schema else None
        merged[key] = _merge_field(field, merged.get(key), value)
    return merged


def _merge_field(field: Field | None, live: Any, applied: Any) -> Any:
    if applied is None:
        return live
    if field is None or live is None:
        return applied
    if field.schema.kind == "struct" and field.map_type != "atomic":
        return _merge(field.schema, live, applied)
    if field.schema.kind == "map" and field.map_type != "atomic":
        return {**live, **applied}
    if field.list_type == "set":
        return [*live, *(item for item in applied if item not in live)]
    if field.list_type == "map":
        return _merge_list(field, live, applied)
    return applied


def _merge_list(field: Field, live: list[Any], applied: list[Any]) -> list[Any]:
    """Items with the same keys merge, in the applied order; what is live alone stays before what follows it."""
    known = {field_sets.item_element(field, item): item for item in live}
    wanted = {field_sets.item_element(field, item): item for item in applied}
    merged = {
        element: _merge(field.schema.items, known[element], item) if element in known else item
        for element, item in wanted.items()
    }
    return [merged.get(element, known.get(element)) for element in _merged_order(list(known), list(wanted))]


def _merged_order(live: list[str], applied: list[str]) -> list[str]:
    """The order of two lists' items together (structured-merge-diff, typed/merge.go)."""
    wanted = set(applied)
    shared = [element for element in applied if element in live]  # those that are still to come
    order: list[str] = []
    while live or applied:
        if live and live[0] not in wanted:
            order.append(live.pop(0))
        elif live and (not applied or live[0] not in shared[:1]):
            live.pop(0)  # its place is where it was applied
        else:
            element = applied.pop(0)
            order.append(element)
            if shared[:1] == [element]:
                shared.pop(0)
    return order


def _remove(schema: Schema, obj: Object, path: Path) -> None:
    """Remove what stands at a path; a container that it leaves empty stays."""
    holder = field_sets.value_at(schema, obj, path[:-1]) if len(path) > 1 else obj
    if isinstance(holder, dict) and path[-1].startswith("f:"):
        holder.pop(path[-1][2:], None)
    elif isinstance(holder, list):
        field = _field_at(schema, path[:-1])
        holder[:] = [item for item in holder if field and field_sets.item_element(field, item) != path[-1]]
