"""What all controllers are made of: informers that fill a work queue, and a reconcile for each key in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.events import EventQueue, EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import (
    Object,
    controller_of,
    is_being_deleted,
    join_key,
    key,
    labels,
    name,
    namespace,
    owner_reference,
    uid,
)
from pocket_cluster.api.resources import PODS, Resource
from pocket_cluster.api.selectors import LabelSelector
from pocket_cluster.api.workqueue import WorkQueue, run_workers

FIRST_BATCH = 1


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
        self._events = EventQueue(EventRecorder(client, f"{self.name}-controller"))
        self.tell = self._events.tell

    async def run(self) -> None:
        await self.informers.wait_synced()
        await asyncio.gather(run_workers(self.queue, self.reconcile, self.workers, self.name), self._events.run())

    async def create_pod(self, of: Resource, owner: Object, pod: Object) -> ApiError | None:
        """Create a pod of ``owner``, of the kind ``of``, and tell it so; what the API server refused."""
        try:
            created = await self.client.create(PODS, pod, namespace(owner))
        except ApiError as error:
            if is_terminating(error):
                return None
            self.tell(of, owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            return error
        self.informers.of(PODS).remember(created)
        self.tell(of, owner, "Normal", "SuccessfulCreate", f"Created pod: {name(created)}")
        return None

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


async def in_growing_batches(number: int, create: Callable[[], Awaitable[ApiError | None]]) -> ApiError | None:
    """Create in batches of 1, 2, 4 … so that a quota or a mistake costs few requests (slowStartBatch)."""
    done, size = 0, FIRST_BATCH
    while done < number:
        answers = await asyncio.gather(*(create() for _ in range(min(size, number - done))))
        problem = next(filter(None, answers), None)
        if problem:
            return problem
        done += len(answers)
        size *= 2
    return None


async def claim(
    client: Client,
    resource: Resource,
    owner: Object,
    of: Resource,
    candidates: Iterable[Object],
    selector: LabelSelector,
) -> list[Object]:
    """The candidates that belong to ``owner``: adopt orphans that match, let go what no longer does.

    Rules: pkg/controller/controller_ref_manager.go, ClaimObject.
    """
    claimed, orphans = [], []
    for candidate in candidates:
        matches = selector.matches(labels(candidate))
        if is_controlled_by(candidate, owner):
            if matches:
                claimed.append(candidate)
            elif not is_being_deleted(owner):
                await _release(client, resource, candidate, owner)
        elif matches and not controller_of(candidate) and not is_being_deleted(candidate):
            orphans.append(candidate)
    if orphans and await _may_adopt(client, of, owner):
        adopted = await asyncio.gather(*(_adopt(client, resource, each, owner, of) for each in orphans))
        claimed += [each for each in adopted if each]
    return claimed


def is_controlled_by(obj: Object, owner: Object) -> bool:
    reference = controller_of(obj)
    return reference is not None and bool(reference["uid"] == uid(owner))


async def _may_adopt(client: Client, of: Resource, owner: Object) -> bool:
    """Ask the API server itself: a cache may not know yet that the owner is being deleted."""
    if is_being_deleted(owner):
        return False
    try:
        fresh = await client.get(of, name(owner), namespace(owner))
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return uid(fresh) == uid(owner) and not is_being_deleted(fresh)


async def _adopt(client: Client, resource: Resource, obj: Object, owner: Object, of: Resource) -> Object | None:
    return await patch_metadata(client, resource, obj, {"ownerReferences": [owner_reference(of, owner)]})


async def _release(client: Client, resource: Resource, obj: Object, owner: Object) -> None:
    await patch_metadata(client, resource, obj, {"ownerReferences": [{"$patch": "delete", "uid": uid(owner)}]})


# Not found; the name belongs to another object by now (the uid in the patch does not fit).
GONE_OR_REPLACED = (404, 409, 422)


async def patch_metadata(client: Client, resource: Resource, obj: Object, change: Object) -> Object | None:
    """Change the metadata of this very object; None when it is gone, or another one has its name."""
    body = {"metadata": {**change, "uid": uid(obj)}}
    try:
        return await client.patch(resource, name(obj), body, namespace(obj), kind="strategic")
    except ApiError as error:
        if error.code not in GONE_OR_REPLACED:
            raise
        return None


async def ignore_missing(call: Awaitable[object]) -> None:
    """Await a request; that its object is gone already is no trouble."""
    try:
        await call
    except ApiError as error:
        if error.code != 404:
            raise


def is_terminating(error: ApiError) -> bool:
    """Whether a create failed because its namespace is being deleted: then there is nothing to do."""
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
