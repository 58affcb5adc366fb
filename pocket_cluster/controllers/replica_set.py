"""The ReplicaSet controller: as many pods as wanted, no more, no fewer (pkg/controller/replicaset)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    controller_of,
    is_being_deleted,
    join_key,
    key,
    name,
    namespace,
    pod_is_active,
    pod_is_ready,
    uid,
)
from pocket_cluster.api.resources import PODS, REPLICA_SETS
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.controllers import replica_set_decisions as decisions
from pocket_cluster.controllers.controller import Controller, claim

# The real controller waits five minutes for what it expects to see; here events take milliseconds.
EXPECTATION_SECONDS = 30.0
FIRST_BATCH = 1


class Expectations:
    """What the informer has still to show of what this controller did: until then its view is too old to act on."""

    def __init__(self) -> None:
        self._creations: dict[str, int] = {}
        self._deletions: dict[str, set[str]] = {}
        self._since: dict[str, float] = {}

    def expect(self, key: str, creations: int, deletions: set[str]) -> None:
        self._creations[key], self._deletions[key], self._since[key] = creations, deletions, time.monotonic()

    def saw_creation(self, key: str) -> None:
        self._creations[key] = self._creations.get(key, 0) - 1

    def saw_deletion(self, key: str, uid: str) -> None:
        self._deletions.get(key, set()).discard(uid)

    def are_met(self, key: str) -> bool:
        waiting = self._creations.get(key, 0) > 0 or bool(self._deletions.get(key))
        return not waiting or time.monotonic() - self._since[key] > EXPECTATION_SECONDS

    def forget(self, key: str) -> None:
        self._creations.pop(key, None)
        self._deletions.pop(key, None)
        self._since.pop(key, None)


class ReplicaSetController(Controller):
    name = "replicaset"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._expectations = Expectations()
        self.replica_sets = self.informers.of(REPLICA_SETS)
        self.pods = self.informers.of(PODS)
        self.replica_sets.add_handler(self.enqueue)
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, event: str, pod: Object, old: Object | None) -> None:
        owner = controller_of(pod)
        if owner and owner["kind"] == REPLICA_SETS.kind:
            place = join_key(namespace(pod), owner["name"])
            if event == "ADDED":
                self._expectations.saw_creation(place)
            if event == "DELETED" or is_being_deleted(pod):
                self._expectations.saw_deletion(place, uid(pod))
        elif not owner and event != "DELETED":
            self._wake_adopters(pod)
        self.enqueue_owner(REPLICA_SETS.kind)(event, pod, old)

    def _wake_adopters(self, pod: Object) -> None:
        for replica_set in self.replica_sets.by_namespace(namespace(pod)):
            selector = from_label_selector_object(replica_set["spec"].get("selector"))
            if selector.matches(pod["metadata"].get("labels")):
                self.queue.add(key(replica_set))

    async def reconcile(self, key: str) -> None:
        replica_set = self.replica_sets.items.get(key)
        if replica_set is None:
            self._expectations.forget(key)
            return
        selector = from_label_selector_object(replica_set["spec"].get("selector"))
        candidates = self.pods.by_namespace(namespace(replica_set))
        pods = await claim(self.client, PODS, replica_set, REPLICA_SETS, candidates, selector)
        failure = ""
        if self._expectations.are_met(key) and not is_being_deleted(replica_set):
            failure = await self._manage(key, replica_set, [pod for pod in pods if pod_is_active(pod)])
        await self._update_status(key, replica_set, pods, failure)

    async def _manage(self, key: str, replica_set: Object, active: list[Object]) -> str:
        """Create or delete pods; the sentence of a failure that the status is to show."""
        moment = datetime.now(UTC)
        decision = decisions.decide(replica_set, active, self._related(replica_set), moment)
        if decision.create:
            return await self._create(key, replica_set, decision.create)
        if decision.delete:
            await self._delete(key, replica_set, decision.delete)
        return ""

    def _related(self, replica_set: Object) -> list[Object]:
        """The pods of all ReplicaSets with the same owner."""
        owner = controller_of(replica_set)
        family = {
            uid(each)
            for each in self.replica_sets.by_namespace(namespace(replica_set))
            if owner and decisions.is_owned_by(each, owner["uid"])
        } or {uid(replica_set)}
        pods = self.pods.by_namespace(namespace(replica_set))
        return [pod for pod in pods if (reference := controller_of(pod)) and reference["uid"] in family]

    async def _create(self, key: str, replica_set: Object, number: int) -> str:
        self._expectations.expect(key, number, set())
        created, failure = await _in_growing_batches(number, lambda: self._create_pod(replica_set))
        for _ in range(number - created):
            self._expectations.saw_creation(key)
        if failure:
            message = f"Error creating: {failure.message}"
            await self.recorder.event(REPLICA_SETS, replica_set, "Warning", "FailedCreate", message)
            self.queue.add_rate_limited(key)
            return f"FailedCreate: {failure.message}"
        return ""

    async def _create_pod(self, replica_set: Object) -> None:
        pod = await self.client.create(PODS, decisions.new_pod(replica_set), namespace(replica_set))
        message = f"Created pod: {name(pod)}"
        await self.recorder.event(REPLICA_SETS, replica_set, "Normal", "SuccessfulCreate", message)

    async def _delete(self, key: str, replica_set: Object, pods: list[Object]) -> None:
        self._expectations.expect(key, 0, {uid(pod) for pod in pods})
        await asyncio.gather(*(self._delete_pod(key, replica_set, pod) for pod in pods))

    async def _delete_pod(self, key: str, replica_set: Object, pod: Object) -> None:
        try:
            await self.client.delete(PODS, name(pod), namespace(pod), uid=uid(pod))
        except ApiError as error:
            self._expectations.saw_deletion(key, uid(pod))
            if error.code != 404:
                raise
            return
        message = f"Deleted pod: {name(pod)}"
        await self.recorder.event(REPLICA_SETS, replica_set, "Normal", "SuccessfulDelete", message)

    async def _update_status(self, key: str, replica_set: Object, pods: list[Object], failure: str) -> None:
        moment = datetime.now(UTC)
        status = decisions.new_status(replica_set, pods, moment, failure)
        wait = int(replica_set["spec"].get("minReadySeconds", 0))
        if wait and status.get("readyReplicas", 0) != status.get("availableReplicas", 0):
            times = (decisions.seconds_until_available(pod, wait, moment) for pod in pods if pod_is_ready(pod))
            self.queue.add_after(key, max(0.05, min((seconds for seconds in times if seconds > 0), default=wait)))
        if status != replica_set.get("status"):
            written = await self.client.update(REPLICA_SETS, {**replica_set, "status": status}, "status")
            self.replica_sets.remember(written)


async def _in_growing_batches(
    number: int, create: Callable[[], Coroutine[Any, Any, None]]
) -> tuple[int, ApiError | None]:
    """Create in batches of 1, 2, 4 … so that a quota or a mistake costs few requests (slowStartBatch)."""
    done, size = 0, FIRST_BATCH
    while done < number:
        size = min(size, number - done)
        answers = await asyncio.gather(*(create() for _ in range(size)), return_exceptions=True)
        done += sum(answer is None for answer in answers)
        for answer in answers:
            if isinstance(answer, ApiError):
                return done, answer
            if answer is not None:
                raise answer
        size *= 2
    return done, None
