"""The garbage collector: what belonged to an owner that is gone goes too (pkg/controller/garbagecollector)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pocket_cluster.api import resources
from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, is_being_deleted, join_key, key, metadata, name, namespace, uid
from pocket_cluster.api.resources import Resource
from pocket_cluster.controllers.controller import Controller, ignore_missing
from pocket_cluster.controllers.garbage_collector_decisions import FOREGROUND, ORPHAN, blocking, judge

COLLECTED = tuple(resource for resource in resources.ALL if resource is not resources.EVENTS)
BY_KIND = {(resource.group_version, resource.kind): resource for resource in COLLECTED}
BY_PLURAL = {resource.plural: resource for resource in COLLECTED}


class Place(NamedTuple):
    """Where an object is: its kind and its key."""

    resource: Resource
    key: str

    def __str__(self) -> str:
        return f"{self.resource.plural}|{self.key}"

    @classmethod
    def parse(cls, text: str) -> Place:
        plural, _, place = text.partition("|")
        return cls(BY_PLURAL[plural], place)


class GarbageCollector(Controller):
    """One queue for all kinds; its keys are places, ``pods|default/web``."""

    name = "garbage-collector"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._dependents: dict[str, set[Place]] = {}  # by the UID of the owner
        for resource in COLLECTED:
            self.informers.of(resource).add_handler(self._handler(resource))

    def _handler(self, resource: Resource) -> Any:
        def changed(event: str, obj: Object, old: Object | None) -> None:
            place = Place(resource, key(obj))
            self._index(place, old, None if event == "DELETED" else obj)
            if event == "DELETED":
                for dependent in self._dependents.get(uid(obj), ()):
                    self.queue.add(str(dependent))
                for reference in _references(obj):
                    self._wake_owner(obj, reference)
            elif old is None or _told(obj) != _told(old):
                self.queue.add(str(place))

        return changed

    def _index(self, place: Place, old: Object | None, new: Object | None) -> None:
        for reference in _references(old):
            self._dependents.get(reference["uid"], set()).discard(place)
            if not self._dependents.get(reference["uid"], True):
                del self._dependents[reference["uid"]]
        for reference in _references(new):
            self._dependents.setdefault(reference["uid"], set()).add(place)

    def _wake_owner(self, obj: Object, reference: Object) -> None:
        """An owner that waits for its dependents is told when one is gone."""
        place = _place_of_owner(obj, reference)
        if place:
            self.queue.add(str(place))

    def _cached(self, place: Place) -> Object | None:
        return self.informers.of(place.resource).items.get(place.key)

    def _dependents_of(self, owner: Object) -> list[tuple[Place, Object]]:
        places = self._dependents.get(uid(owner), ())
        return [(place, obj) for place in places if (obj := self._cached(place)) is not None]

    async def reconcile(self, key: str) -> None:
        place = Place.parse(key)
        obj = self._cached(place)
        if obj is None:
            return
        if is_being_deleted(obj):
            await self._finish_deletion(place, obj)
        elif _references(obj):
            await self._collect(place, obj)

    async def _collect(self, place: Place, obj: Object) -> None:
        """Delete what has no owner left; of several owners forget those that are gone."""
        owners = [(reference, await self._owner(obj, reference)) for reference in _references(obj)]
        verdict = judge(obj, owners, [each for _, each in self._dependents_of(obj)])
        if verdict.delete:
            where = namespace(obj) or None
            call = self.client.delete(place.resource, name(obj), where, uid=uid(obj), propagation=verdict.delete)
            await ignore_missing(call)
        elif verdict.forget:
            await self._forget(place, obj, verdict.forget)

    async def _owner(self, obj: Object, reference: Object) -> Object | None:
        """The owner if it lives; asked of the API server itself before anything is deleted."""
        place = _place_of_owner(obj, reference)
        if place is None:
            return {"metadata": {}}  # an owner of a kind that is not served: leave its dependents alone
        known = self._cached(place)
        if known and uid(known) == reference["uid"]:
            return known
        try:
            found = await self.client.get(place.resource, reference["name"], namespace(obj) or None)
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        return found if uid(found) == reference["uid"] else None

    async def _forget(self, place: Place, obj: Object, references: Iterable[Object]) -> None:
        gone = {reference["uid"] for reference in references}
        kept = [each for each in _references(obj) if each["uid"] not in gone]
        await self._change(place, obj, {"ownerReferences": kept})

    async def _finish_deletion(self, place: Place, obj: Object) -> None:
        """Orphan its dependents, or see them go before it."""
        finalizers = metadata(obj).get("finalizers") or []
        dependents = self._dependents_of(obj)
        if ORPHAN in finalizers:
            await asyncio.gather(*(self._forget(where, each, [{"uid": uid(obj)}]) for where, each in dependents))
            await self._change(place, obj, {"finalizers": [each for each in finalizers if each != ORPHAN]})
        elif FOREGROUND in finalizers and not blocking(obj, [each for _, each in dependents]):
            await self._change(place, obj, {"finalizers": [each for each in finalizers if each != FOREGROUND]})
        elif FOREGROUND in finalizers:
            for where, each in dependents:
                if not is_being_deleted(each):
                    self.queue.add(str(where))

    async def _change(self, place: Place, obj: Object, change: Object) -> None:
        """Change what was looked at, not what may have become of it since."""
        body = {"metadata": {**change, "uid": uid(obj), "resourceVersion": metadata(obj)["resourceVersion"]}}
        await ignore_missing(self.client.patch(place.resource, name(obj), body, namespace(obj) or None))


def _references(obj: Object | None) -> Sequence[Object]:
    return metadata(obj or {}).get("ownerReferences") or []


def _told(obj: Object) -> tuple[Any, ...]:
    """The parts of an object that concern the garbage collector."""
    return _references(obj), metadata(obj).get("finalizers"), is_being_deleted(obj)


def _place_of_owner(obj: Object, reference: Object) -> Place | None:
    resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
    if resource is None:
        return None
    return Place(resource, join_key(namespace(obj) if resource.namespaced else "", reference["name"]))
