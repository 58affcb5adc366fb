"""Create, update and patch: decode → default → admit → validate → store, and again when somebody else was faster.

The order and the refusals are those of apiserver, registry/generic/registry/store.go and endpoints/handlers.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pocket_cluster.api.objects import Object, name, now, random_suffix
from pocket_cluster.api.resources import LEASES, Resource
from pocket_cluster.apiserver import admission, errors, managed_fields, patch, schema
from pocket_cluster.apiserver.allocation import Allocator
from pocket_cluster.apiserver.field_sets import Untypable
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Body, Target, unsigned
from pocket_cluster.apiserver.schema.field_errors import invalid
from pocket_cluster.apiserver.store import Entry, Store, Superseded, encode
from pocket_cluster.apiserver.turns import on_the_newest
from pocket_cluster.apiserver.write_options import WriteOptions

LONGEST_GENERATED_BASE = 58
WRONG_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
# Where etcd has what is not called by its plural: a Conflict names the place.
STORED_AS = {"services": "services/specs", "endpoints": "services/endpoints", "nodes": "minions"}
APPLY = "application/apply-patch+yaml"
MISFIT_NUMBER = re.compile(r"json: cannot unmarshal number \S+ into .* of type (\w+)")
# What a client cannot give a new object (WipeObjectMetaSystemFields).
SERVER_SIDE = ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds")
# What differs between two objects that say the same: no reason to write.
BOOKKEEPING = ("managedFields", "resourceVersion", "generation")


@dataclass(slots=True)
class Writer:
    """Writes objects. ``warnings`` of one request go out as Warning headers."""

    store: Store
    allocator: Allocator

    async def create(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Create the object in the body; AlreadyExists, Invalid, BadRequest or Forbidden when that cannot be."""
        resource = target.kind.resource
        obj, notes = schema.decode(resource, body.data, options.strictness, body.raw)
        warnings += notes
        self._place(target, obj)
        entry = await self.create_object(target.kind, obj, options)
        warnings += schema.warnings_for(resource, entry.object)
        return entry

    async def create_object(self, kind: Kind, obj: Object, options: WriteOptions, operation: str = "Update") -> Entry:
        """Create a decoded object; after an Apply it says itself who manages what."""
        resource = kind.resource
        admission.check_namespace(self.store, kind, obj)
        _name(obj)
        metadata = obj["metadata"]
        for leftover in SERVER_SIDE:
            metadata.pop(leftover, None)
        schema.set_defaults(resource, obj)
        if operation == "Update":
            managed_fields.update_managed_fields(resource, obj, None, options.manager, "Update", "", now())
        # What admission adds belongs to nobody (endpoints/handlers/create.go).
        admission.mutate_new(self.store, kind, obj)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        schema.prepare_for_create(resource, obj)
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
                raise errors.bad_request(WRONG_NAMESPACE)
        elif metadata.pop("namespace", None):
            raise errors.bad_request("namespace is not allowed on this type")

    def _must_be_valid(self, kind: Kind, obj: Object, problems: list[schema.FieldError]) -> None:
        if problems:
            raise errors.invalid(kind.resource, name(obj), problems)

    # --- update

    async def update(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Replace the object by the one in the body."""
        resource = target.kind.resource
        obj, notes = schema.decode(resource, body.data, options.strictness, body.raw)
        warnings += notes
        self._place(target, obj)
        check_name(target, obj)
        current = self.store.get(target.kind.collection, target.kind.key(target.namespace, target.name or ""))
        if current is None and target.kind.put_creates and not target.subresource:
            _check_number(obj["metadata"].get("resourceVersion"))
            return await self.create_object(target.kind, obj, options)

        def replaced(before: Object) -> Object:
            check_uid(target, obj, before, options.dry_run)
            return copy.deepcopy(obj)

        entry = await self.change(target, replaced, options)
        if current and not target.subresource:
            warnings += schema.warnings_for(resource, entry.object, current.object)
        return entry

    async def patch(self, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Entry:
        """Change the object as the patch in the body says; server-side apply may create it."""
        if body.content_type == APPLY:
            return await self._apply(target, body, options)
        notes: list[str] = []
        before = self.store.get(target.kind.collection, target.kind.key(target.namespace, target.name or ""))

        def patched(current: Object) -> Object:
            obj, notes[:] = patch.apply_patch(target.kind.resource, current, body, options.strictness)
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

    async def _apply(self, target: Target, body: Body, options: WriteOptions) -> Entry:
        resource = target.kind.resource
        _check_applied(target, body.data)
        applied = copy.deepcopy(body.data)
        applied["metadata"] = applied.get("metadata") or {}
        who = f"{applied['metadata'].get('namespace', '')}/{applied['metadata'].get('name', '')}"
        key = target.kind.key(target.namespace, target.name or "")

        def merged(current: Object | None) -> Object:
            try:
                whole = managed_fields.server_side_apply(
                    resource, current, applied, options.manager, options.force, now(), target.subresource or ""
                )
            except Untypable:
                why = "an item of a list in the stored object lacks its key"
                raise errors.StatusError(500, "", f"failed to create typed live object: {why}") from None
            obj = _converted(resource, whole, who)
            check_name(target, obj)
            self._place(target, obj)
            return obj

        if self.store.get(target.kind.collection, key) is None:
            obj = merged(None)
            if obj["metadata"].get("uid"):
                given = f"the provided object specified uid {obj['metadata']['uid']}"
                why = f"uid mismatch: {given}, and no existing object was found"
                raise errors.conflict(resource, target.name or "", why)
            return await self.create_object(target.kind, obj, options, operation="Apply")
        return await self.change(target, merged, options, operation="Apply")

    async def change(
        self,
        target: Target,
        changed: Callable[[Object], Object],
        options: WriteOptions,
        operation: str = "Update",
    ) -> Entry:
        """Store what ``changed`` makes of a copy of the newest state; tried again when somebody else was faster."""

        async def attempt(key: str, current: Entry) -> Entry:
            new = changed(copy.deepcopy(current.object))
            _check_version(target, new, current.object)
            self._complete(target, new, current.object, options, operation)
            if _says_the_same(new, current.object):
                return current
            return await self._store_changed(target.kind, key, new, current, options)

        return await on_the_newest(self.store, target, attempt)

    async def change_unchecked(
        self, target: Target, changed: Callable[[Object], Object], options: WriteOptions
    ) -> Entry:
        """Store what ``changed`` makes of the object where the rules for users do not hold (binding, finalizing)."""

        async def attempt(key: str, current: Entry) -> Entry:
            new = changed(copy.deepcopy(current.object))
            return await self._store_changed(target.kind, key, new, current, options)

        return await on_the_newest(self.store, target, attempt)

    def _complete(self, target: Target, new: Object, old: Object, options: WriteOptions, operation: str) -> None:
        """Defaults, what may not change, whose fields they are, and whether it is all allowed."""
        resource, part = target.kind.resource, target.subresource or ""
        schema.set_defaults(resource, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        schema.prepare_for_update(resource, new, old, part)
        if operation == "Update":
            managed_fields.update_managed_fields(resource, new, old, options.manager, operation, part, now())
        if not part:
            admission.mutate_changed(target.kind, new, old)
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
    given = (obj.get("metadata") or {}).get("name")
    if not given:
        why = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(why)
    if given != target.name:
        raise errors.bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")


def _check_applied(target: Target, applied: Any) -> None:
    """What server-side apply says of a configuration of another kind, name or type (util/managedfields)."""
    resource = target.kind.resource
    if applied is None:
        applied = {}
    if not isinstance(applied, dict):
        why = f"json: cannot unmarshal {schema.json_type(applied)} into Go value of type map[string]interface {{}}"
        raise errors.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    if (applied.get("apiVersion"), applied.get("kind")) != (resource.group_version, resource.kind):
        called, kind = (found if isinstance(found := applied.get(part), str) else "" for part in ("apiVersion", "kind"))
        group, _, version = called.rpartition("/")
        raise errors.bad_request(f"invalid object type: {group}/{version}, Kind={kind}")
    metadata = applied.get("metadata") or {}
    metadata = metadata if isinstance(metadata, dict) else {}
    metadata = {field: text for field, text in metadata.items() if isinstance(text, str)}
    if applied.get("metadata") is None or metadata.get("name"):
        check_name(target, {"metadata": metadata})  # metadata without a name leaves it to the object that is there
    problem = schema.untypable(schema.definition_for(resource), applied)
    if problem:
        who = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        version = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        raise errors.StatusError(500, "", f"failed to create typed patch object ({who}; {version}): {problem}")


def _converted(resource: Resource, merged: Object, who: str) -> Object:
    """The merged configuration as an object of its kind; StatusError where a value is none of its type."""
    head = {"apiVersion": resource.group_version, "kind": resource.kind}
    try:
        return schema.decode(resource, {**merged, **head}, "Ignore")[0]
    except schema.DecodeError as error:
        kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        why = re.sub(r"^illegal base64", "error decoding from json: illegal base64", error.reason)
        why = re.sub(MISFIT_NUMBER, r"cannot convert float64 to \1", why)
        message = f"failed to convert new object ({who}; {kind}) to proper version"
        why = f"unable to convert unstructured object to {kind}: {why}"
        raise errors.StatusError(500, "", f"{message}: {why}") from None


def check_uid(target: Target, obj: Object, current: Object, dry_run: bool = False) -> None:
    """Conflict when what is to be replaced is another object of the same name."""
    asked, found = obj["metadata"].get("uid"), current["metadata"]["uid"]
    if asked and asked != found:
        plural = target.kind.resource.plural
        parts = ["" if dry_run else "/registry", STORED_AS.get(plural, plural), target.namespace, target.name]
        key = "/".join(part for part in parts if part is not None)
        why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
        problem = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
        raise errors.conflict(target.kind.resource, target.name or "", problem)


def _check_version(target: Target, new: Object, old: Object) -> None:
    asked = new["metadata"].get("resourceVersion")
    if not asked and target.kind.resource is LEASES:  # AllowUnconditionalUpdate in pkg/registry/coordination/lease
        problem = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        details = errors.details_of(target.kind.resource, target.name or "") | {"causes": [problem.cause]}
        message = f'{errors.qualified(target.kind.resource)} "{target.name}" is invalid: {problem}'
        raise errors.StatusError(422, "Invalid", message, details)
    if not asked or asked == old["metadata"]["resourceVersion"]:
        return
    _check_number(asked)
    raise errors.modified(target.kind.resource, target.name or "")


def _check_number(text: str | None) -> None:
    """StatusError for a resource version that is no number."""
    try:
        unsigned(text or "0")
    except ValueError as error:
        raise errors.StatusError(500, "", str(error)) from None


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
