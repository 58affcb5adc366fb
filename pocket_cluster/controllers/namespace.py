"""The namespace controller: empties a namespace that is being deleted, then lets it go (pkg/controller/namespace)."""

from __future__ import annotations

import asyncio
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.objects import Object, is_being_deleted, name
from pocket_cluster.api.objects import namespace as namespace_of
from pocket_cluster.api.resources import NAMESPACES, Resource
from pocket_cluster.controllers.controller import Controller, ignore_missing

CONTENTS = tuple(resource for resource in resources.ALL if resource.namespaced)
WATCHED = tuple(resource for resource in CONTENTS if resource is not resources.EVENTS)
KUBERNETES = "kubernetes"
RECHECK_SECONDS = 5.0  # only in case that a change was missed


class NamespaceController(Controller):
    name = "namespace"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.namespaces = self.informers.of(NAMESPACES)
        self.namespaces.add_handler(self.enqueue)
        for resource in WATCHED:
            self.informers.of(resource).add_handler(self._content_changed)

    def _content_changed(self, event: str, obj: Object, _old: Object | None) -> None:
        """One thing less in a namespace that is being emptied: perhaps it was the last."""
        owner = self.namespaces.items.get(namespace_of(obj))
        if event == "DELETED" and owner and is_being_deleted(owner):
            self.queue.add(name(owner))

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.items.get(key)
        if namespace is None or not is_being_deleted(namespace):
            return
        left = self._known_contents(key) or await self._contents(key)
        if left:
            self.queue.add_after(key, RECHECK_SECONDS)
            await asyncio.gather(*(self._delete(resource, obj) for resource, obj in left))
        elif KUBERNETES in namespace["spec"].get("finalizers", []):
            kept = [each for each in namespace["spec"]["finalizers"] if each != KUBERNETES]
            done = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
            await ignore_missing(self.client.update(NAMESPACES, done, "finalize"))

    def _known_contents(self, namespace: str) -> list[tuple[Resource, Object]]:
        """What the informers show; enough to see that there is still something."""
        return [(each, obj) for each in WATCHED for obj in self.informers.of(each).by_namespace(namespace)]

    async def _contents(self, namespace: str) -> list[tuple[Resource, Object]]:
        """What the API server has, events included; asked before the namespace goes."""
        found = await asyncio.gather(*(self.client.list(each, namespace) for each in CONTENTS))
        return [(each, obj) for each, objects in zip(CONTENTS, found, strict=True) for obj in objects.items]

    async def _delete(self, resource: Resource, obj: Object) -> None:
        if not is_being_deleted(obj):
            await ignore_missing(self.client.delete(resource, name(obj), namespace_of(obj), propagation="Background"))
        if resource is resources.EVENTS:
            self.queue.add(namespace_of(obj))  # nobody watches events: look again
