"""A local copy of a collection that follows the API server: list once, then watch (client-go, tools/cache)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.objects import Object, key, namespace, resource_version, uid
from pocket_cluster.api.resources import Resource

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.05
LONGEST_DELAY = 5.0

# Called with "ADDED", "MODIFIED" or "DELETED", the newest state known, and the state before it.
Handler = Callable[[str, Object, Object | None], None]


class Informer:
    """The objects of one resource by their key, and callbacks for what happens to them.

    ``items`` belongs to the informer: read it, never change what is in it.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        self.items: dict[str, Object] = {}
        self.resource = resource
        self._client = client
        self._scope = (namespace, label_selector, field_selector)
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._shown = 0  # the revision up to which the watch has told everything

    def add_handler(self, handler: Handler) -> None:
        self._handlers.append(handler)

    def by_namespace(self, wanted: str) -> list[Object]:
        """What is there at this moment; it stays as it is while the watch goes on."""
        return [item for item in self.items.values() if namespace(item) == wanted]

    async def wait_synced(self, timeout: float = 30.0) -> None:
        """Wait until the first list is in ``items``; TimeoutError after ``timeout`` seconds."""
        await asyncio.wait_for(self._synced.wait(), timeout)

    async def run(self) -> None:
        """Follow the collection for ever, through restarts of the API server."""
        delay = FIRST_DELAY
        while True:
            try:
                version = await self._list()
                delay = FIRST_DELAY
                await self._follow(version)
            except (ApiError, aiohttp.ClientError, TimeoutError, ConnectionError, ValueError) as error:
                logger.info("%s: %s; looking again", self.resource.plural, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)

    async def _list(self) -> str:
        found = await self._client.list(self.resource, *self._scope)
        fresh = {key(item): item for item in found.items}
        newest = int(found.resource_version)
        for item_key, item in list(self.items.items()):
            # What is newer than the list was remembered while the list was on its way.
            if item_key not in fresh and int(resource_version(item)) <= newest:
                self._remove(item)
        for item in fresh.values():
            self._store(item)
        self._shown = newest
        self._synced.set()
        return found.resource_version

    async def _follow(self, version: str) -> None:
        """Watch again and again from where the last watch ended, until one fails."""
        while True:
            async for event in self._client.watch(self.resource, version, *self._scope):
                version = resource_version(event.object) or version
                self._shown = int(version)
                if event.type == "DELETED":
                    self._remove(event.object)
                elif event.type in ("ADDED", "MODIFIED"):
                    self._store(event.object)

    def remember(self, item: Object) -> None:
        """Take in the answer to a write of one's own at once, unless the watch has shown it already."""
        if int(resource_version(item)) > self._shown:
            self._store(item)

    def _store(self, item: Object) -> None:
        old = self.items.get(key(item))
        if old is not None and int(resource_version(old)) >= int(resource_version(item)):
            return
        if old is not None and uid(old) != uid(item):
            self._remove(old)
            old = None
        self.items[key(item)] = item
        self._tell("ADDED" if old is None else "MODIFIED", item, old)

    def _remove(self, item: Object) -> None:
        old = self.items.get(key(item))
        if old is not None and int(resource_version(old)) <= int(resource_version(item)):
            del self.items[key(item)]
            self._tell("DELETED", item, old)

    def _tell(self, kind: str, item: Object, old: Object | None) -> None:
        for handler in self._handlers:
            handler(kind, item, old)
