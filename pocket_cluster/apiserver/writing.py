"""Create, update and patch: decode → default → admit → validate → store, and again when somebody else was faster.

The order and the refusals are those of apiserver, registry/generic/registry/store.go and endpoints/handlers.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pocket_cluster.api.objects import Object, name, now, random_suffix
from pocket_cluster.apiserver import admission, errors, managed_fields, patch, schema
from pocket_cluster.apiserver.allocation import Allocator
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.store import Entry, Store, Superseded, encode
from pocket_cluster.apiserver.write_options import WriteOptions

TRIES = 100
LONGEST_GENERATED_BASE = 58
APPLY = "application/apply-patch+yaml"
# What differs between two objects that say the same: no reason to write.
BOOKKEEPING = ("managedFields", "resourceVersion", "generation")


@dataclass(slots=True)
class Body:
    """A request's body as plain values. ``duplicates`` are the paths given twice."""

    data: Any
    content_type: str
    duplicates: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Writer:
    """Writes objects. ``warnings`` of one request go out as Warning headers."""

    store: Store
    allocator: Allocator

    async def create(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Create the object in the body; AlreadyExists, Invalid, BadRequest or Forbidden when that cannot be."""
        resource = target.kind.resource
        obj, notes = schema.decode(resource, body.data, options.strictness, body.duplicates)
        warnings += notes
        self._place(target, obj)
        entry = await self.create_object(target.kind, obj, options)
        warnings += schema.warnings_for(resource, entry.object)
        return entry

    async def create_object(self, kind: Kind, obj: Object, options: WriteOptions) -> Entry:
        """Create a decoded object."""
        resource = kind.resource
        admission.check_namespace(self.store, kind, obj)
        _name(obj)
        metadata = obj["metadata"]
        for leftover in ("resourceVersion", "selfLink"):
            metadata.pop(leftover, None)
        schema.set_defaults(resource, obj)
        admission.mutate_new(self.store, kind, obj)
        if not managed_fields.has_managed_fields(metadata):
            managed_fields.update_managed_fields(resource, obj, None, options.manager, "Update", "", now())
        schema.prepare_for_create(resource, obj)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        self._must_be_valid(kind, obj, schema.validate(resource, obj))
        return await self._store_new(kind, obj, options)

    async def _store_new(self, kind: Kind, obj: Object, options: WriteOptions) -> Entry:
        key = kind.key(obj["metadata"].get("namespace"), name(obj))
        if self.store.get(kind.collection, key):
            raise errors.already_exists(kind.resource, name(obj))
        with self.allocator.reserve(kind, obj, None):
            if options.dry_run:
                return Entry(obj, 0, encode(obj))
            try:
                return await self.store.write(kind.collection, key, 0, obj)
            except Superseded:
                raise errors.already_exists(kind.resource, name(obj)) from None

    def _place(self, target: Target, obj: Object) -> None:
        """Put the object where the path says; BadRequest when it says otherwise itself."""
        metadata = obj.setdefault("metadata", {})
        if target.kind.resource.namespaced:
            namespace = metadata.setdefault("namespace", target.namespace)
            if namespace != target.namespace:
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        elif metadata.pop("namespace", None):
            raise errors.bad_request("namespace is not allowed on this type")

    def _must_be_valid(self, kind: Kind, obj: Object, problems: list[schema.FieldError]) -> None:
        if problems:
            raise errors.invalid(kind.resource, name(obj), problems)

    # --- update

    async def update(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Replace the object by the one in the body."""
        resource = target.kind.resource
        obj, notes = schema.decode(resource, body.data, options.strictness, body.duplicates)
        warnings += notes
        self._place(target, obj)
        check_name(target, obj)
        current = self.store.get(target.kind.collection, target.kind.key(target.namespace, target.name or ""))
        if current is None and target.kind.put_creates and not target.subresource:
            return await self.create_object(target.kind, obj, options)

        def replaced(before: Object) -> Object:
            check_uid(target, obj, before)
            return copy.deepcopy(obj)

        entry = await self.change(target, replaced, options)
        if current and not target.subresource:
            warnings += schema.warnings_for(resource, entry.object, current.object)
        return entry

    async def patch(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Change the object as the patch in the body says; server-side apply may create it."""
        if body.content_type == APPLY:
            return await self._apply(target, body, options, warnings)
        given, notes = patch.Patch(body.data, body.content_type, body.duplicates), list[str]()
        before = self.store.get(target.kind.collection, target.kind.key(target.namespace, target.name or ""))

        def patched(current: Object) -> Object:
            obj, notes[:] = patch.apply_patch(target.kind.resource, current, given, options.strictness)
            check_name(target, obj)
            self._place(target, obj)
            return obj

        try:
            entry = await self.change(target, patched, options)
        finally:
            warnings += notes
        if before and not target.subresource:
            warnings += schema.warnings_for(target.kind.resource, entry.object, before.object)
        return entry

    async def _apply(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        resource = target.kind.resource
        _must_be_typable(target, body.data)
        applied, notes = schema.decode(resource, body.data, options.strictness, body.duplicates)
        warnings += notes
        self._place(target, applied)
        check_name(target, applied)
        key = target.kind.key(target.namespace, target.name or "")

        def merged(current: Object | None) -> Object:
            return managed_fields.server_side_apply(
                resource, current, applied, options.manager, options.force, now(), target.subresource or ""
            )

        if self.store.get(target.kind.collection, key) is None:
            return await self.create_object(target.kind, merged(None), options)
        return await self.change(target, merged, options, operation="Apply")

    async def change(
        self,
        target: Target,
        changed: Callable[[Object], Object],
        options: WriteOptions,
        operation: str = "Update",
    ) -> Entry:
        """Store what ``changed`` makes of a copy of the newest state; tried again when somebody else was faster."""
        kind = target.kind
        key = kind.key(target.namespace, target.name or "")
        for _ in range(TRIES):
            current = self.store.get(kind.collection, key)
            if current is None:
                raise errors.not_found(kind.resource, target.name or "")
            new = changed(copy.deepcopy(current.object))
            _check_version(target, new, current.object)
            self._complete(target, new, current.object, options, operation)
            if _says_the_same(new, current.object):
                return current
            try:
                return await self._store_changed(kind, key, new, current, options)
            except Superseded:
                continue
        raise errors.modified(kind.resource, target.name or "")

    async def change_unchecked(
        self, target: Target, changed: Callable[[Object], Object], options: WriteOptions
    ) -> Entry:
        """Store what ``changed`` makes of the object where the rules for users do not hold (binding, finalizing)."""
        kind = target.kind
        key = kind.key(target.namespace, target.name or "")
        for _ in range(TRIES):
            current = self.store.get(kind.collection, key)
            if current is None:
                raise errors.not_found(kind.resource, target.name or "")
            new = changed(copy.deepcopy(current.object))
            try:
                return await self._store_changed(kind, key, new, current, options)
            except Superseded:
                continue
        raise errors.modified(kind.resource, target.name or "")

    def _complete(self, target: Target, new: Object, old: Object, options: WriteOptions, operation: str) -> None:
        """Defaults, what may not change, whose fields they are, and whether it is all allowed."""
        resource, part = target.kind.resource, target.subresource or ""
        schema.set_defaults(resource, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        schema.prepare_for_update(resource, new, old, part)
        if operation == "Update":
            managed_fields.update_managed_fields(resource, new, old, options.manager, operation, part, now())
        problems = schema.validate_update(resource, new, old, part)
        self._must_be_valid(target.kind, new, problems)

    async def _store_changed(self, kind: Kind, key: str, new: Object, current: Entry, options: WriteOptions) -> Entry:
        with self.allocator.reserve(kind, new, current.object):
            if options.dry_run:
                return Entry(new, current.revision, encode(new))
            if _is_released(new):
                return await self.store.delete(kind.collection, key, current.revision, new)
            return await self.store.write(kind.collection, key, current.revision, new)


def check_name(target: Target, obj: Object) -> None:
    """BadRequest when the object is called otherwise than the path says."""
    given = obj.get("metadata", {}).get("name")
    if not given:
        why = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(why)
    if given != target.name:
        raise errors.bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")


def _must_be_typable(target: Target, applied: Any) -> None:
    """What server-side apply says of a configuration that does not fit its kind (util/managedfields)."""
    resource = target.kind.resource
    problem = schema.untypable(schema.definition_for(resource), applied) if isinstance(applied, dict) else ""
    if problem:
        metadata = applied.get("metadata") or {}
        who = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        version = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        raise errors.StatusError(500, "", f"failed to create typed patch object ({who}; {version}): {problem}")


def check_uid(target: Target, obj: Object, current: Object) -> None:
    """Conflict when what is to be replaced is another object of the same name."""
    asked, found = obj["metadata"].get("uid"), current["metadata"]["uid"]
    if asked and asked != found:
        why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
        raise errors.conflict(target.kind.resource, target.name or "", why)


def _check_version(target: Target, new: Object, old: Object) -> None:
    asked = new["metadata"].get("resourceVersion")
    if not asked or asked == old["metadata"]["resourceVersion"]:
        return
    if not asked.isdecimal():
        raise errors.StatusError(500, "", f'strconv.ParseUint: parsing "{asked}": invalid syntax')
    raise errors.modified(target.kind.resource, target.name or "")


def _name(obj: Object) -> None:
    """Give a name to an object that asks for a generated one (apiserver, storage/names/generate.go)."""
    metadata = obj["metadata"]
    base = metadata.get("generateName", "")
    if not metadata.get("name") and base:
        metadata["name"] = base[:LONGEST_GENERATED_BASE] + random_suffix()


def _says_the_same(new: Object, old: Object) -> bool:
    """Whether the two differ in bookkeeping at most: then nothing is written."""
    if any(new.get(part) != old.get(part) for part in {*new, *old} - {"metadata"}):
        return False
    return _lasting(new["metadata"]) == _lasting(old["metadata"])


def _lasting(metadata: Object) -> Object:
    """Metadata without what each write changes."""
    kept = {field: value for field, value in metadata.items() if field not in BOOKKEEPING}
    entries = metadata.get("managedFields") or []
    return kept | {"managedFields": [{**entry, "time": ""} for entry in entries]}


def _is_released(obj: Object) -> bool:
    """Whether a deletion waited only for the finalizers that this write removed."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")
