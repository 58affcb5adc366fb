"""The scheduler: gives each pod a node, or says why it cannot.

May live here: filters, the choice of a node, binding. May not: anything about how a pod runs.
"""

from __future__ import annotations

import asyncio

from pocket_cluster.api.client import ApiError, Client, Credentials
from pocket_cluster.api.events import EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, condition, is_being_deleted, key, name, namespace, now, set_condition
from pocket_cluster.api.resources import NODES, PODS
from pocket_cluster.api.tasks import run_until
from pocket_cluster.api.workqueue import WorkQueue, run_workers
from pocket_cluster.home import Home
from pocket_cluster.scheduler.decisions import choose_node

NAME = "default-scheduler"


async def run(home: Home, stop: asyncio.Event) -> None:
    """Schedule until ``stop`` is set."""
    await run_scheduler(home.credentials("scheduler"), stop)


async def run_scheduler(credentials: Credentials, stop: asyncio.Event) -> None:
    """The same against any API server."""
    async with Client(credentials, "kube-scheduler") as client:
        scheduler = Scheduler(client)
        await run_until(stop, scheduler.pods.run(), scheduler.nodes.run(), scheduler.run())


class Scheduler:
    """One pod after the other, as the real one: each choice sees the ones before."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue = WorkQueue()
        self._recorder = EventRecorder(client, NAME)
        self._assumed: dict[str, str] = {}
        self.pods, self.nodes = Informer(client, PODS), Informer(client, NODES)
        self.pods.add_handler(self._pod_changed)
        self.nodes.add_handler(lambda *_: self._retry_all())

    async def run(self) -> None:
        await asyncio.gather(self.pods.wait_synced(), self.nodes.wait_synced())
        await run_workers(self._queue, self._schedule, 1, "scheduler")

    def _pod_changed(self, event: str, pod: Object, _: Object | None) -> None:
        if event == "DELETED":
            self._assumed.pop(key(pod), None)
            self._retry_all()
        elif _is_waiting(pod):
            self._queue.add(key(pod))
        elif _has_ended(pod):
            self._retry_all()

    def _retry_all(self) -> None:
        """Room may have become free."""
        for place, pod in self.pods.items.items():
            if _is_waiting(pod):
                self._queue.add(place)

    async def _schedule(self, place: str) -> None:
        pod = self.pods.items.get(place)
        if pod is None or not _is_waiting(pod) or place in self._assumed:
            return
        choice = choose_node(pod, list(self.nodes.items.values()), self._placed())
        if choice.node:
            await self._bind(pod, choice.node)
        else:
            await self._report(pod, choice.message)

    def _placed(self) -> list[Object]:
        """All pods that have a node, those included whose binding the informer has not shown yet."""
        placed = []
        for place, pod in self.pods.items.items():
            node = pod["spec"].get("nodeName") or self._assumed.get(place)
            if node and not _has_ended(pod):
                placed.append({**pod, "spec": {**pod["spec"], "nodeName": node}})
        return placed

    async def _bind(self, pod: Object, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name(pod), "namespace": namespace(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._assumed[key(pod)] = node
        try:
            await self._client.post_subresource(PODS, name(pod), "binding", binding, namespace(pod))
        except ApiError as error:
            del self._assumed[key(pod)]
            if error.code not in (404, 409):
                raise
            return
        message = f"Successfully assigned {key(pod)} to {node}"
        await self._recorder.event(PODS, pod, "Normal", "Scheduled", message)

    async def _report(self, pod: Object, message: str) -> None:
        before = condition(pod, "PodScheduled")
        if before and before.get("message") == message:
            return
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": now(),
            "reason": "Unschedulable",
            "message": message,
        }
        status = pod.get("status") or {}
        conditions = set_condition(status.get("conditions") or [], unscheduled)
        await self._client.update(PODS, {**pod, "status": {**status, "conditions": conditions}}, "status")
        await self._recorder.event(PODS, pod, "Warning", "FailedScheduling", message)


def _is_waiting(pod: Object) -> bool:
    spec = pod["spec"]
    mine = spec.get("schedulerName", NAME) == NAME
    return mine and not spec.get("nodeName") and not spec.get("schedulingGates") and not is_being_deleted(pod)


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
