"""What becomes of an object whose owners are gone, or are waiting for it to go. Pure.

Rules: pkg/controller/garbagecollector/garbagecollector.go (attemptToDeleteItem, processDeletingDependentsItem).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pocket_cluster.api.objects import Object, is_being_deleted, uid

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class Verdict(NamedTuple):
    """Leave the object alone (both empty), take references from it, or delete it with a propagation policy."""

    forget: Sequence[Object] = ()
    delete: str = ""


def judge(obj: Object, owners: Sequence[tuple[Object, Object | None]], dependents: Sequence[Object]) -> Verdict:
    """``owners``: each owner reference of the object with the owner itself, or None when that is gone."""
    gone = [reference for reference, owner in owners if owner is None]
    waiting = [reference for reference, owner in owners if owner is not None and waits_for_dependents(owner)]
    if len(gone) + len(waiting) < len(owners):  # somebody still owns it
        return Verdict(forget=[*gone, *waiting])
    if waiting and dependents:
        return Verdict(delete="Foreground")
    return Verdict(delete=_own_policy(obj))


def _own_policy(obj: Object) -> str:
    """An object that was to be deleted in a certain way already is deleted in that way."""
    finalizers = obj["metadata"].get("finalizers") or []
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"


def waits_for_dependents(owner: Object) -> bool:
    return is_being_deleted(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or [])


def blocking(owner: Object, dependents: Iterable[Object]) -> list[Object]:
    """The dependents that must be gone before an owner deleted in the foreground goes."""
    return [
        each
        for each in dependents
        if any(
            reference["uid"] == uid(owner) and reference.get("blockOwnerDeletion")
            for reference in each["metadata"].get("ownerReferences") or []
        )
    ]
