"""The ReplicaSet controller: as many pods as wanted, no more, no fewer (pkg/controller/replicaset).

The real one waits until its cache has shown what it did before it acts again ("expectations"). Here the answer to each
write goes into the cache at once, so the cache is never behind this controller's own deeds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    controller_of,
    is_being_deleted,
    key,
    labels,
    name,
    namespace,
    pod_is_active,
    uid,
)
from pocket_cluster.api.resources import PODS, REPLICA_SETS
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.controllers import replica_set_decisions as decisions
from pocket_cluster.controllers.controller import (
    Controller,
    claim,
    ignore_missing,
    in_growing_batches,
    is_controlled_by,
)
from pocket_cluster.controllers.replica_set_decisions import Failure


class ReplicaSetController(Controller):
    name = "replicaset"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._deleted: set[str] = set()  # UIDs of pods that the API server has agreed to delete
        self.replica_sets = self.informers.of(REPLICA_SETS)
        self.pods = self.informers.of(PODS)
        self.replica_sets.add_handler(self.enqueue)
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, event: str, pod: Object, old: Object | None) -> None:
        if event == "DELETED" or is_being_deleted(pod):
            self._deleted.discard(uid(pod))
        if not controller_of(pod) and event != "DELETED":
            self._wake_adopters(pod)
        self.enqueue_owner(REPLICA_SETS.kind)(event, pod, old)

    def _wake_adopters(self, pod: Object) -> None:
        for replica_set in self.replica_sets.by_namespace(namespace(pod)):
            selector = from_label_selector_object(replica_set["spec"].get("selector"))
            if selector.matches(labels(pod)):
                self.queue.add(key(replica_set))

    async def reconcile(self, key: str) -> None:
        replica_set = self.replica_sets.items.get(key)
        if replica_set is not None:
            await ignore_missing(self._reconcile(key, replica_set))

    async def _reconcile(self, key: str, replica_set: Object) -> None:
        active = await self._active_pods(replica_set)
        problem = None if is_being_deleted(replica_set) else await self._manage(replica_set, active)
        await self._update_status(key, replica_set, active, problem)
        if problem:
            raise problem

    async def _active_pods(self, replica_set: Object) -> list[Object]:
        """The ReplicaSet's pods that run or will, after adopting and releasing."""
        selector = from_label_selector_object(replica_set["spec"].get("selector"))
        pods = self.pods.by_namespace(namespace(replica_set))
        candidates = (pod for pod in pods if pod_is_active(pod) and uid(pod) not in self._deleted)
        return await claim(self.client, PODS, replica_set, REPLICA_SETS, candidates, selector)

    def _ending(self, replica_set: Object) -> int:
        pods = self.pods.by_namespace(namespace(replica_set))
        return sum(is_controlled_by(pod, replica_set) and decisions.is_ending(pod) for pod in pods)

    async def _manage(self, replica_set: Object, active: list[Object]) -> ApiError | None:
        """Create or delete pods; what the API server refused."""
        surplus = decisions.surplus(replica_set, active)
        if surplus < 0:
            return await in_growing_batches(
                -surplus, lambda: self.create_pod(REPLICA_SETS, replica_set, decisions.new_pod(replica_set))
            )
        if surplus > 0:
            ordered = decisions.first_to_go(active, self._related(replica_set), datetime.now(UTC))
            answers = await asyncio.gather(*(self._delete(replica_set, pod) for pod in ordered[:surplus]))
            return next(filter(None, answers), None)
        return None

    def _related(self, replica_set: Object) -> list[Object]:
        """The pods of all ReplicaSets with the same owner."""
        owner = controller_of(replica_set)
        siblings = self.replica_sets.by_namespace(namespace(replica_set))
        family = {
            uid(each)
            for each in siblings
            if owner and (reference := controller_of(each)) and reference["uid"] == owner["uid"]
        } or {uid(replica_set)}
        pods = self.pods.by_namespace(namespace(replica_set))
        return [pod for pod in pods if (reference := controller_of(pod)) and reference["uid"] in family]

    async def _delete(self, replica_set: Object, pod: Object) -> ApiError | None:
        try:
            await self.client.delete(PODS, name(pod), namespace(pod), uid=uid(pod))
        except ApiError as error:
            if error.code in (404, 409):  # it is gone already, or another pod has its name
                return None
            self.tell(REPLICA_SETS, replica_set, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            return error
        seen = self.pods.items.get(key(pod))
        if seen and uid(seen) == uid(pod) and not is_being_deleted(seen):
            self._deleted.add(uid(pod))
        self.tell(REPLICA_SETS, replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name(pod)}")
        return None

    async def _update_status(
        self, key: str, replica_set: Object, active: list[Object], problem: ApiError | None
    ) -> None:
        """As in the real one, the counts are those before this look's creations and deletions."""
        moment = datetime.now(UTC)
        wanted = int(replica_set["spec"].get("replicas", 0))
        reason = "FailedCreate" if len(active) < wanted else "FailedDelete"
        failure = Failure(reason, problem.message) if problem else None
        status = decisions.new_status(replica_set, active, self._ending(replica_set), moment, failure)
        if status != replica_set.get("status"):
            written = await self.client.update(REPLICA_SETS, {**replica_set, "status": status}, "status")
            self.replica_sets.remember(written)
        seconds = decisions.seconds_to_next_look(replica_set, active, moment)
        if seconds is not None:
            self.queue.add_after(key, seconds)
