"""The garbage collector: what belonged to an owner that is gone goes too (pkg/controller/garbagecollector)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, is_being_deleted, join_key, key, name, namespace, uid
from pocket_cluster.api.resources import Resource
from pocket_cluster.controllers.controller import Controller, ignore_missing

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
COLLECTED = tuple(resource for resource in resources.ALL if resource not in (resources.EVENTS, resources.LEASES))
BY_KIND = {(resource.group_version, resource.kind): resource for resource in COLLECTED}


class GarbageCollector(Controller):
    """Keys are ``plural|namespace/name``: one queue for all kinds."""

    name = "garbage-collector"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.by_plural = {resource.plural: resource for resource in COLLECTED}
        for resource in COLLECTED:
            self.informers.of(resource).add_handler(self._handler(resource))

    def _handler(self, resource: Resource) -> Any:
        def changed(event: str, obj: Object, _old: Object | None) -> None:
            if event == "DELETED":
                for other, dependent in self._dependents(obj):
                    self._enqueue(other, dependent)
                for reference in obj["metadata"].get("ownerReferences") or []:
                    self._enqueue_owner(obj, reference)
            elif obj["metadata"].get("ownerReferences") or obj["metadata"].get("finalizers"):
                self._enqueue(resource, obj)

        return changed

    def _enqueue(self, resource: Resource, obj: Object) -> None:
        self.queue.add(f"{resource.plural}|{key(obj)}")

    def _enqueue_owner(self, obj: Object, reference: Object) -> None:
        """An owner that waits for its dependents is told when one is gone."""
        resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
        if resource:
            place = namespace(obj) if resource.namespaced else ""
            self.queue.add(f"{resource.plural}|{join_key(place, reference['name'])}")

    def _dependents(self, owner: Object) -> Iterator[tuple[Resource, Object]]:
        for resource in COLLECTED:
            for obj in self.informers.of(resource).items.values():
                if any(reference["uid"] == uid(owner) for reference in obj["metadata"].get("ownerReferences") or []):
                    yield resource, obj

    async def reconcile(self, key: str) -> None:
        plural, _, place = key.partition("|")
        resource = self.by_plural[plural]
        obj = self.informers.of(resource).items.get(place)
        if obj is None:
            return
        if is_being_deleted(obj):
            await self._finish_deletion(resource, obj)
        elif obj["metadata"].get("ownerReferences"):
            await self._collect(resource, obj)

    # --- owners that are gone

    async def _collect(self, resource: Resource, obj: Object) -> None:
        """Delete what has no owner left; of several owners forget those that are gone."""
        solid, waiting, gone = [], [], []
        for reference in obj["metadata"]["ownerReferences"]:
            owner = await self._owner(obj, reference)
            if owner is None:
                gone.append(reference)
            elif _deletes_in_foreground(owner) and reference.get("blockOwnerDeletion"):
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid:
            if gone or waiting:
                await self._forget(resource, obj, gone + waiting)
            return
        policy = "Foreground" if waiting and any(self._dependents(obj)) else "Background"
        await ignore_missing(
            self.client.delete(resource, name(obj), namespace(obj) or None, uid=uid(obj), propagation=policy)
        )

    async def _owner(self, obj: Object, reference: Object) -> Object | None:
        """The owner if it lives; asked of the API server itself before anything is deleted."""
        resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
        if resource is None:
            return {"metadata": {}}  # an owner of a kind that is not served: leave its dependents alone
        place = namespace(obj) if resource.namespaced else ""
        known = self.informers.of(resource).items.get(join_key(place, reference["name"]))
        if known and uid(known) == reference["uid"]:
            return known
        try:
            found = await self.client.get(resource, reference["name"], place or None)
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        return found if uid(found) == reference["uid"] else None

    async def _forget(self, resource: Resource, obj: Object, references: list[Object]) -> None:
        gone = {reference["uid"] for reference in references}
        kept = [each for each in obj["metadata"]["ownerReferences"] if each["uid"] not in gone]
        body = {"metadata": {"ownerReferences": kept, "resourceVersion": obj["metadata"]["resourceVersion"]}}
        await self.client.patch(resource, name(obj), body, namespace(obj) or None)

    # --- owners that wait for their dependents

    async def _finish_deletion(self, resource: Resource, obj: Object) -> None:
        finalizers = obj["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            for other, dependent in list(self._dependents(obj)):
                references = [each for each in dependent["metadata"]["ownerReferences"] if each["uid"] == uid(obj)]
                await self._forget(other, dependent, references)
            await self._drop_finalizer(resource, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            blocking = [pair for pair in self._dependents(obj) if _blocks(pair[1], obj)]
            for other, dependent in blocking:
                self._enqueue(other, dependent)
            if not blocking:
                await self._drop_finalizer(resource, obj, FOREGROUND)

    async def _drop_finalizer(self, resource: Resource, obj: Object, finalizer: str) -> None:
        kept = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        body = {"metadata": {"finalizers": kept, "resourceVersion": obj["metadata"]["resourceVersion"]}}
        await ignore_missing(self.client.patch(resource, name(obj), body, namespace(obj) or None))


def _deletes_in_foreground(owner: Object) -> bool:
    return is_being_deleted(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or [])


def _blocks(dependent: Object, owner: Object) -> bool:
    references = dependent["metadata"].get("ownerReferences") or []
    return any(each["uid"] == uid(owner) and each.get("blockOwnerDeletion") for each in references)
