"""The namespace controller: empties a namespace that is being deleted, then lets it go (pkg/controller/namespace)."""

from __future__ import annotations

import asyncio
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.objects import is_being_deleted, name
from pocket_cluster.api.resources import NAMESPACES
from pocket_cluster.controllers.controller import Controller, ignore_missing

CONTENTS = tuple(resource for resource in resources.ALL if resource.namespaced and resource is not resources.EVENTS)
RECHECK_SECONDS = 0.5


class NamespaceController(Controller):
    name = "namespace"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.namespaces = self.informers.of(NAMESPACES)
        self.namespaces.add_handler(self.enqueue)

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.items.get(key)
        if namespace is None or not is_being_deleted(namespace):
            return
        if await self._empty(name(namespace)):
            await self._delete_all(resources.EVENTS, name(namespace))
            done = {"metadata": {"name": name(namespace)}, "spec": {"finalizers": []}}
            await ignore_missing(self.client.update(NAMESPACES, done, "finalize"))
        else:
            self.queue.add_after(key, RECHECK_SECONDS)  # pods take their grace period

    async def _empty(self, namespace: str) -> bool:
        """Delete what is in the namespace; whether nothing was left."""
        left = await asyncio.gather(*(self._delete_all(resource, namespace) for resource in CONTENTS))
        return not any(left)

    async def _delete_all(self, resource: resources.Resource, namespace: str) -> int:
        found = await self.client.list(resource, namespace)
        for item in found.items:
            if not is_being_deleted(item):
                await ignore_missing(self.client.delete(resource, name(item), namespace))
        return len(found.items)
