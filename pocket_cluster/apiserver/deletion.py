"""Delete: grace periods, finalizers, propagation and preconditions.

Rules: apiserver, registry/generic/registry/store.go and registry/rest/delete.go; pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pocket_cluster.api.objects import Object, name, time_text
from pocket_cluster.api.resources import NAMESPACES, PODS, Resource
from pocket_cluster.apiserver import admission, errors, schema
from pocket_cluster.apiserver.list_options import Selection
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Target, flag, number
from pocket_cluster.apiserver.schema.field_errors import Errors, invalid, not_supported
from pocket_cluster.apiserver.store import Entry, Store, encode
from pocket_cluster.apiserver.turns import on_the_newest
from pocket_cluster.apiserver.write_options import dry_run_problems

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POLICIES = ("Foreground", "Background", "Orphan")
OPTIONS = Resource("", "v1", "deleteoptions", "DeleteOptions", False)

# What a kind does with its dependents when nothing is said, if not Background (pkg/registry/batch/job/strategy.go).
DEFAULT_POLICIES = {"Job": "Orphan"}
JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set"
    " propagationPolicy=Orphan to suppress this warning"
)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. A precondition that is None is not asked for."""

    grace: int | None = None
    policy: str = ""
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def parse_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """Options from the body where there is one, else from the query.

    Raises DecodeError, BadRequest or Invalid for what does not exist.
    """
    return options_of(_from_query(query) if body is None else _decoded(body))


def options_of(given: Object) -> DeleteOptions:
    """The options that a decoded object of the API states; Invalid for what does not exist."""
    policy, orphans = given.get("propagationPolicy"), given.get("orphanDependents")
    problems = _policy_problems(policy, orphans) + dry_run_problems(given.get("dryRun") or [])
    if problems:
        raise errors.invalid_options("DeleteOptions", problems)
    conditions = given.get("preconditions") or {}
    return DeleteOptions(
        given.get("gracePeriodSeconds"),
        "Orphan" if orphans else policy or "",
        conditions.get("uid"),
        conditions.get("resourceVersion"),
        bool(given.get("dryRun")),
    )


def _from_query(query: Mapping[str, str]) -> Object:
    given: Object = {"dryRun": [query["dryRun"]]} if "dryRun" in query else {}
    if "gracePeriodSeconds" in query:
        given["gracePeriodSeconds"] = number(query, "gracePeriodSeconds")
    if "propagationPolicy" in query:
        given["propagationPolicy"] = query["propagationPolicy"]
    if "orphanDependents" in query:
        given["orphanDependents"] = flag(query, "orphanDependents")
    return given


def _decoded(body: Any) -> Object:
    """The options in a body, whatever group's they are: all are the same."""
    if not isinstance(body, dict):
        return schema.decode(OPTIONS, body)[0]
    kind, version = body.get("kind") or OPTIONS.kind, body.get("apiVersion") or OPTIONS.version
    if kind != OPTIONS.kind:
        raise schema.DecodeError(f'no kind "{kind}" is registered for version "{version}" in {schema.SCHEME}')
    return schema.decode(OPTIONS, {**body, "kind": kind, "apiVersion": OPTIONS.version}, "Ignore")[0]


def _policy_problems(policy: str | None, orphans: bool | None) -> Errors:
    problems: Errors = []
    if policy is not None and orphans is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in POLICIES:
        problems.append(not_supported("propagationPolicy", policy, (*POLICIES, "nil")))
    return problems


def warnings_for(kind: Kind, options: DeleteOptions) -> list[str]:
    """What the client should know of what it did not say (pkg/registry/batch/job/storage)."""
    return [] if options.policy or kind.resource.kind != "Job" else [JOB_WARNING]


@dataclass(slots=True)
class Deleter:
    """Deletes objects, or marks them for whoever finishes the deletion."""

    store: Store

    async def delete(self, target: Target, options: DeleteOptions) -> tuple[Entry, bool]:
        """Delete the target. Returns its last state and whether it is gone (else it is marked and terminating)."""
        admission.check_delete(target.kind, target.name or "")

        async def attempt(key: str, current: Entry) -> tuple[Entry, bool]:
            _check_preconditions(target.kind, current.object, options)
            return await self._delete(target.kind, key, current, options)

        return await on_the_newest(self.store, target, attempt)

    async def _delete(self, kind: Kind, key: str, current: Entry, options: DeleteOptions) -> tuple[Entry, bool]:
        new = copy.deepcopy(current.object)
        metadata = new["metadata"]
        grace = _grace(kind, new, options)
        _add_finalizers(kind, metadata, options)
        is_gone = not (metadata.get("finalizers") or grace > 0 or kind.resource is NAMESPACES)
        if is_gone and kind.resource is PODS:
            _mark(kind, new, 0)  # a pod that ends at once is shown as one that was given no time
        if not is_gone and not _mark(kind, new, grace):
            return current, False
        if options.dry_run:
            return Entry(new, current.revision, encode(new)), is_gone
        store = self.store.delete if is_gone else self.store.write
        return await store(kind.collection, key, current.revision, new), is_gone

    async def delete_many(self, target: Target, selection: Selection, options: DeleteOptions) -> list[Entry]:
        """Delete all that the selectors match; the last states."""
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
    """Conflict when this is not the object, or not its state, that was to be deleted (registry/rest/delete.go)."""
    metadata = obj["metadata"]
    for word, asked, found, what in (
        ("UID", options.uid, metadata["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"], "modified"),
    ):
        if asked is None or asked == found:
            continue
        if kind.resource is NAMESPACES:
            why = f"Precondition failed: {word} in precondition: {asked}, {word} in object meta: {found}"
            raise errors.conflict(kind.resource, name(obj), why)
        why = (
            f"the {word} in the precondition ({asked}) does not match the {word} in record ({found}). The object"
            f" might have been {what}"
        )
        raise errors.precondition_failed(kind.resource, name(obj), why)


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
    given = metadata.get("finalizers") or []
    is_decided = FOREGROUND in given or ORPHAN in given
    policy = options.policy or ("" if is_decided else DEFAULT_POLICIES.get(kind.resource.kind, ""))
    if not policy:
        return
    finalizers = [each for each in given if each not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        finalizers.append(FOREGROUND)
    if policy == "Orphan":
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
        now = datetime.fromisoformat(marked) - _duration(before)
    metadata["deletionTimestamp"] = time_text(now + _duration(grace))
    if kind.resource is not NAMESPACES:
        metadata["deletionGracePeriodSeconds"] = grace
    if "generation" in metadata and not marked:
        metadata["generation"] += 1
    if kind.resource is NAMESPACES:
        obj.setdefault("status", {})["phase"] = "Terminating"
    return True


def _duration(seconds: int) -> timedelta:
    """As Go counts: nanoseconds in 64 bits, which begin again when they run over."""
    nanoseconds = (seconds * 10**9 + 2**63) % 2**64 - 2**63
    return timedelta(microseconds=nanoseconds // 1000)
