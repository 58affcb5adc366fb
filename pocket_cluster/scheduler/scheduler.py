"""Watches pods and nodes, places the pods that wait, and tells the API server (pkg/scheduler/schedule_one.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import aiohttp

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.events import EventQueue, EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import (
    Object,
    condition,
    is_being_deleted,
    key,
    name,
    namespace,
    now,
    set_condition,
    uid,
)
from pocket_cluster.api.resources import NODES, PODS
from pocket_cluster.scheduler.decisions import choose_node
from pocket_cluster.scheduler.room import Room

logger = logging.getLogger("pocket_cluster.scheduler")

NAME = "default-scheduler"
RETRY_SECONDS = 1.0


class Scheduler:
    """Chooses for one pod after the other, so that each choice sees the ones before; binds at the same time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events = EventQueue(EventRecorder(client, NAME))
        self._assumed: dict[str, str] = {}  # pod UID → node, until the informer shows the binding
        self._something_changed = asyncio.Event()
        self._writes: set[asyncio.Task[None]] = set()
        self._pods, self._nodes = Informer(client, PODS), Informer(client, NODES)
        self._pods.add_handler(self._pod_changed)
        self._nodes.add_handler(lambda *_: self._something_changed.set())

    async def run(self) -> None:
        """Schedule for ever."""
        try:
            await asyncio.gather(self._pods.run(), self._nodes.run(), self._events.run(), self._schedule())
        finally:
            for write in self._writes:
                write.cancel()

    def _pod_changed(self, event: str, pod: Object, _: Object | None) -> None:
        has_left = event == "DELETED" or has_ended(pod)
        if has_left or pod["spec"].get("nodeName"):
            self._assumed.pop(uid(pod), None)
        if has_left or is_waiting(pod):
            self._something_changed.set()

    async def wait_synced(self) -> None:
        """Until it knows the pods and the nodes."""
        await asyncio.gather(self._pods.wait_synced(), self._nodes.wait_synced())

    async def _schedule(self) -> None:
        await self.wait_synced()
        while True:
            await self._something_changed.wait()
            self._something_changed.clear()
            self._place_all()

    def _place_all(self) -> None:
        """Choose a node for everyone who waits: any change may have made room."""
        waiting = [pod for pod in self._pods.items.values() if is_waiting(pod) and uid(pod) not in self._assumed]
        rooms = self._rooms() if waiting else []
        for pod in sorted(waiting, key=_turn):
            choice = choose_node(pod, rooms)
            if choice.node:
                self._assumed[uid(pod)] = choice.node
                next(room for room in rooms if name(room.node) == choice.node).add(pod)
                self._start(self._bind(pod, choice.node))
            else:
                self._start(self._report(pod, choice.message))

    def _rooms(self) -> list[Room]:
        rooms = {name(node): Room(node) for node in self._nodes.items.values()}
        for pod in self._pods.items.values():
            node = pod["spec"].get("nodeName") or self._assumed.get(uid(pod))
            if node in rooms and not has_ended(pod):
                rooms[node].add(pod)
        return list(rooms.values())

    def _start(self, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _bind(self, pod: Object, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name(pod), "namespace": namespace(pod), "uid": uid(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.post_subresource(PODS, name(pod), "binding", binding, namespace(pod))
        except (ApiError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self._assumed.pop(uid(pod), None)
            self._retry(f"{key(pod)} was not bound to {node}: {error}")
            return
        self._events.tell(PODS, pod, "Normal", "Scheduled", f"Successfully assigned {key(pod)} to {node}")

    async def _report(self, pod: Object, message: str) -> None:
        """Say on the pod why it waits, once for each reason."""
        before = condition(pod, "PodScheduled")
        if before and before.get("message") == message:
            return
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "observedGeneration": pod["metadata"].get("generation", 1),
            "lastProbeTime": None,
            "lastTransitionTime": now(),
            "reason": "Unschedulable",
            "message": message,
        }
        status = pod.get("status") or {}
        conditions = set_condition(status.get("conditions") or [], unscheduled)
        try:
            changed = {**pod, "status": {**status, "conditions": conditions}}
            self._pods.remember(await self._client.update(PODS, changed, "status"))
        except (ApiError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            self._retry(f"{key(pod)} was not told why it waits: {error}")
            return
        self._events.tell(PODS, pod, "Warning", "FailedScheduling", message)

    def _retry(self, why: str) -> None:
        logger.info("%s; trying again", why)
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._something_changed.set)


def is_waiting(pod: Object) -> bool:
    """Whether it is for this scheduler to give the pod a node."""
    spec = pod["spec"]
    mine = spec.get("schedulerName", NAME) == NAME
    has_place = bool(spec.get("nodeName")) or has_ended(pod)
    return mine and not has_place and not spec.get("schedulingGates") and not is_being_deleted(pod)


def has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _turn(pod: Object) -> tuple[int, str, int]:
    """Higher priority first, then older."""
    metadata = pod["metadata"]
    return -int(pod["spec"].get("priority") or 0), metadata["creationTimestamp"], int(metadata["resourceVersion"])
