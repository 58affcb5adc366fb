"""What all controllers are made of: informers that fill a work queue, and a reconcile for each key in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.events import EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, controller_of, join_key, key, labels, namespace, owner_reference, uid
from pocket_cluster.api.resources import Resource
from pocket_cluster.api.selectors import LabelSelector
from pocket_cluster.api.workqueue import WorkQueue, run_workers


class Informers:
    """One informer for each resource, shared by the controllers of this process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}

    def of(self, resource: Resource) -> Informer:
        if resource not in self._informers:
            self._informers[resource] = Informer(self._client, resource)
        return self._informers[resource]

    async def run(self) -> None:
        await asyncio.gather(*(informer.run() for informer in self._informers.values()))

    async def wait_synced(self) -> None:
        await asyncio.gather(*(informer.wait_synced() for informer in self._informers.values()))


class Controller:
    """Base of the controllers: a name, a queue, and ``reconcile`` to be written."""

    name = "controller"
    workers = 4

    def __init__(self, client: Client, informers: Informers) -> None:
        self.client = client
        self.informers = informers
        self.queue = WorkQueue()
        self.recorder = EventRecorder(client, f"{self.name}-controller")

    async def run(self) -> None:
        await self.informers.wait_synced()
        await run_workers(self.queue, self.reconcile, self.workers, self.name)

    async def reconcile(self, key: str) -> None:
        """Bring what the key names one step nearer to what is wanted; called again after every change."""
        raise NotImplementedError

    def enqueue(self, _kind: str, obj: Object, _old: Object | None) -> None:
        """Informer handler: work on the object itself."""
        self.queue.add(key(obj))

    def enqueue_owner(self, kind: str) -> Callable[[str, Object, Object | None], None]:
        """Informer handler: work on the owner of ``kind`` that controls the object, or did before."""

        def handler(_event: str, obj: Object, old: Object | None) -> None:
            for each in (obj, old):
                owner = controller_of(each) if each else None
                if owner and owner["kind"] == kind:
                    self.queue.add(join_key(namespace(obj), owner["name"]))

        return handler


async def claim(
    client: Client,
    resource: Resource,
    owner: Object,
    of: Resource,
    candidates: Iterator[Object],
    selector: LabelSelector,
) -> list[Object]:
    """The candidates that belong to ``owner``: adopt orphans that match, let go what no longer does.

    Rules: pkg/controller/controller_ref_manager.go, ClaimObject.
    """
    claimed = []
    for candidate in list(candidates):
        reference = controller_of(candidate)
        matches = selector.matches(labels(candidate))
        if reference and reference["uid"] == uid(owner):
            if matches:
                claimed.append(candidate)
            elif not owner["metadata"].get("deletionTimestamp"):
                await _release(client, resource, candidate, owner)
        elif not reference and matches and _may_adopt(candidate, owner):
            claimed.append(await _adopt(client, resource, candidate, owner, of))
    return claimed


def _may_adopt(candidate: Object, owner: Object) -> bool:
    return not owner["metadata"].get("deletionTimestamp") and not candidate["metadata"].get("deletionTimestamp")


async def _adopt(client: Client, resource: Resource, obj: Object, owner: Object, of: Resource) -> Object:
    body = {"metadata": {"ownerReferences": [owner_reference(of, owner)], "uid": uid(obj)}}
    return await client.patch(resource, obj["metadata"]["name"], body, namespace(obj), kind="strategic")


async def _release(client: Client, resource: Resource, obj: Object, owner: Object) -> None:
    reference = {"$patch": "delete", "uid": uid(owner)}
    body = {"metadata": {"ownerReferences": [reference], "uid": uid(obj)}}
    await ignore_missing(client.patch(resource, obj["metadata"]["name"], body, namespace(obj), kind="strategic"))


async def ignore_missing(call: Awaitable[object]) -> None:
    """Await a request; that its object is gone already is no trouble."""
    try:
        await call
    except ApiError as error:
        if error.code != 404:
            raise
