"""Delete: grace periods, finalizers, propagation and preconditions.

Rules: apiserver, registry/generic/registry/store.go and registry/rest/delete.go; pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pocket_cluster.api.objects import Object, name
from pocket_cluster.api.resources import NAMESPACES, PODS
from pocket_cluster.apiserver import admission, errors
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Target, parse_selection
from pocket_cluster.apiserver.schema.field_errors import not_supported
from pocket_cluster.apiserver.store import Entry, Store, Superseded

TRIES = 100
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def parse_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """Options from the body, else from the query; BadRequest or Invalid for what does not exist."""
    given: Mapping[str, Any] = body if isinstance(body, dict) else {}
    grace = given.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    policy = given.get("propagationPolicy") or query.get("propagationPolicy") or ""
    if given.get("orphanDependents", query.get("orphanDependents")) in (True, "true"):
        policy = "Orphan"
    if policy and policy not in POLICIES:
        problem = not_supported("propagationPolicy", policy, (*POLICIES, "nil"))
        raise errors.invalid_options("DeleteOptions", [problem])
    conditions = given.get("preconditions") or {}
    dry_run = bool(given.get("dryRun")) or query.get("dryRun") == "All"
    seconds = None if grace is None else int(grace)
    return DeleteOptions(seconds, policy, conditions.get("uid", ""), conditions.get("resourceVersion", ""), dry_run)


@dataclass(slots=True)
class Deleter:
    """Deletes objects, or marks them for whoever finishes the deletion."""

    store: Store

    async def delete(self, target: Target, options: DeleteOptions) -> tuple[Entry, bool]:
        """Delete the target. Returns its last state and whether it is gone (else it is marked and terminating)."""
        kind = target.kind
        admission.check_delete(kind, target.name or "")
        key = kind.key(target.namespace, target.name or "")
        for _ in range(TRIES):
            current = self.store.get(kind.collection, key)
            if current is None:
                raise errors.not_found(kind.resource, target.name or "")
            _check_preconditions(kind, current.object, options)
            try:
                return await self._delete(kind, key, current, options)
            except Superseded:
                continue
        raise errors.modified(kind.resource, target.name or "")

    async def _delete(self, kind: Kind, key: str, current: Entry, options: DeleteOptions) -> tuple[Entry, bool]:
        new = copy.deepcopy(current.object)
        metadata = new["metadata"]
        grace = _grace(kind, new, options)
        _add_finalizers(kind, metadata, options)
        must_wait = bool(metadata.get("finalizers")) or grace > 0 or kind.resource is NAMESPACES
        if not must_wait:
            if options.dry_run:
                return current, True
            return await self.store.delete(kind.collection, key, current.revision, new), True
        if not _mark(kind, new, grace):
            return current, False
        if options.dry_run:
            return current, False
        return await self.store.write(kind.collection, key, current.revision, new), False

    async def delete_many(self, target: Target, query: Mapping[str, str], options: DeleteOptions) -> list[Entry]:
        """Delete all that the selectors match; the last states."""
        selection = parse_selection(target.kind, query)
        prefix = f"{target.namespace}/" if target.namespace else ""
        deleted = []
        for key, entry in list(self.store.items(target.kind.collection)):
            if not key.startswith(prefix) or not selection.matches(entry.object):
                continue
            one = Target(target.kind, entry.object["metadata"].get("namespace"), name(entry.object), None)
            try:
                deleted.append((await self.delete(one, options))[0])
            except errors.StatusError as error:
                if error.code != 404:
                    raise
        return deleted


def _check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    for word, asked, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if asked and asked != found:
            why = f"Precondition failed: {word} in precondition: {asked}, {word} in object meta: {found}"
            raise errors.conflict(kind.resource, name(obj), why)


def _grace(kind: Kind, obj: Object, options: DeleteOptions) -> int:
    """Seconds that a pod is given to end; other kinds know no grace."""
    if kind.resource is not PODS:
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    grace = options.grace if options.grace is not None else spec.get("terminationGracePeriodSeconds", 30)
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0  # nobody has to end it
    # A negative grace period means one second (pod strategy, CheckGracefulDelete).
    return 1 if grace < 0 else int(grace)


def _add_finalizers(kind: Kind, metadata: Object, options: DeleteOptions) -> None:
    if not options.policy:
        return
    finalizers = [each for each in metadata.get("finalizers") or [] if each not in (FOREGROUND, ORPHAN)]
    if options.policy == "Foreground":
        finalizers.append(FOREGROUND)
    if options.policy == "Orphan":
        finalizers.append(ORPHAN)
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)


def _mark(kind: Kind, obj: Object, grace: int) -> bool:
    """Mark the object as being deleted; False when an earlier request has marked it and this one changes nothing."""
    metadata = obj["metadata"]
    marked = metadata.get("deletionTimestamp")
    before = metadata.get("deletionGracePeriodSeconds", 0)
    if marked and grace >= before:
        return False
    if marked and kind.resource is not PODS:
        return False
    now = datetime.now(UTC)
    if marked:
        now = datetime.fromisoformat(marked) - timedelta(seconds=before)
    metadata["deletionTimestamp"] = (now + timedelta(seconds=grace)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["deletionGracePeriodSeconds"] = grace
    if "generation" in metadata:
        metadata["generation"] += 1
    if kind.resource is NAMESPACES:
        obj.setdefault("status", {})["phase"] = "Terminating"
    return True
