"""The Deployment controller: from one edition of a pod template to the next (pkg/controller/deployment)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    controller_of,
    is_being_deleted,
    key,
    labels,
    name,
    namespace,
    uid,
)
from pocket_cluster.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.controllers import deployment_status
from pocket_cluster.controllers.controller import Controller, claim, ignore_missing, is_controlled_by, is_terminating
from pocket_cluster.controllers.deployment_revision import REVISION, find_new
from pocket_cluster.controllers.deployment_rollout import Step, next_step, status_step
from pocket_cluster.controllers.deployment_size import recreates


class DeploymentController(Controller):
    name = "deployment"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.deployments = self.informers.of(DEPLOYMENTS)
        self.replica_sets = self.informers.of(REPLICA_SETS)
        self.pods = self.informers.of(PODS)
        self.deployments.add_handler(self.enqueue)
        self.replica_sets.add_handler(self._replica_set_changed)
        self.pods.add_handler(self._pod_changed)

    def _replica_set_changed(self, event: str, replica_set: Object, old: Object | None) -> None:
        self.enqueue_owner(DEPLOYMENTS.kind)(event, replica_set, old)
        if controller_of(replica_set) is None and event != "DELETED":
            for deployment in self.deployments.by_namespace(namespace(replica_set)):
                selector = from_label_selector_object(deployment["spec"].get("selector"))
                if selector.matches(labels(replica_set)):
                    self.queue.add(key(deployment))

    def _pod_changed(self, event: str, pod: Object, _: Object | None) -> None:
        """Recreate waits for the last old pod to be gone."""
        owner = controller_of(pod)
        if event != "DELETED" or not owner:
            return
        for replica_set in self.replica_sets.by_namespace(namespace(pod)):
            if uid(replica_set) == owner["uid"]:
                self.enqueue_owner(DEPLOYMENTS.kind)(event, replica_set, None)

    async def reconcile(self, key: str) -> None:
        deployment = self.deployments.items.get(key)
        if deployment is not None:
            await ignore_missing(self._reconcile(key, deployment))

    async def _reconcile(self, key: str, deployment: Object) -> None:
        selector = from_label_selector_object(deployment["spec"].get("selector"))
        candidates = self.replica_sets.by_namespace(namespace(deployment))
        replica_sets = await claim(self.client, REPLICA_SETS, deployment, DEPLOYMENTS, candidates, selector)
        if is_being_deleted(deployment):
            step = status_step(deployment, replica_sets)
        else:
            step = next_step(deployment, replica_sets, self._old_pods(deployment, replica_sets))
            replica_sets = await self._carry_out(deployment, replica_sets, step)
        await self._update_status(key, deployment, replica_sets, step)

    def _old_pods(self, deployment: Object, replica_sets: list[Object]) -> list[Object]:
        if not recreates(deployment):
            return []
        new = find_new(deployment, replica_sets)
        old = {uid(each) for each in replica_sets if each is not new}
        pods = self.pods.by_namespace(namespace(deployment))
        return [pod for pod in pods if (owner := controller_of(pod)) and owner["uid"] in old]

    async def _carry_out(self, deployment: Object, replica_sets: list[Object], step: Step) -> list[Object]:
        """Write the step; the ReplicaSets as they are afterwards."""
        changed = {name(each): each for each in replica_sets}
        if step.create:
            step.new = await self._create(deployment, step.create)
            changed[name(step.new)] = step.new
        for each in step.update:
            written = await self.client.update(REPLICA_SETS, each)
            changed[name(written)] = written
            self.replica_sets.remember(written)
            if step.new and name(step.new) == name(written):
                step.new = written
        for message in step.events:
            self.tell(DEPLOYMENTS, deployment, "Normal", "ScalingReplicaSet", message)
        for each in step.delete:
            await ignore_missing(self.client.delete(REPLICA_SETS, name(each), namespace(each), uid=uid(each)))
        return list(changed.values())

    async def _create(self, deployment: Object, wanted: Object) -> Object:
        try:
            created = await self.client.create(REPLICA_SETS, wanted, namespace(deployment))
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return await self._existing(deployment, wanted, error)
            if not is_terminating(error):
                await self._report_failure(deployment, wanted, error)
            raise
        self.replica_sets.remember(created)
        return created

    async def _existing(self, deployment: Object, wanted: Object, error: ApiError) -> Object:
        """What has the wanted name: the wanted ReplicaSet, seen late, or a collision of hashes."""
        existing = await self.client.get(REPLICA_SETS, name(wanted), namespace(deployment))
        if is_controlled_by(existing, deployment) and find_new(deployment, [existing]):
            return existing
        status = deployment.get("status") or {}
        counted = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        await self._write_status({**deployment, "status": counted})
        raise error

    async def _report_failure(self, deployment: Object, wanted: Object, error: ApiError) -> None:
        message = f'Failed to create new replica set "{name(wanted)}": {error.message}'
        self.tell(DEPLOYMENTS, deployment, "Warning", "ReplicaSetCreateError", message)
        status = deployment_status.failed_status(deployment, message, datetime.now(UTC))
        if status != deployment.get("status"):
            await self._write_status({**deployment, "status": status})

    async def _update_status(self, key: str, deployment: Object, replica_sets: list[Object], step: Step) -> None:
        """Status and revision go in one write, which is no change of the spec: the generation stays."""
        moment = datetime.now(UTC)
        status = deployment_status.new_status(deployment, replica_sets, step, moment)
        if status != deployment.get("status") or step.revision:
            notes = annotations_of(deployment) | ({REVISION: step.revision} if step.revision else {})
            metadata = deployment["metadata"] | ({"annotations": notes} if notes else {})
            await self._write_status({**deployment, "metadata": metadata, "status": status})
        seconds = deployment_status.seconds_to_next_look(deployment, status, moment)
        if seconds is not None:
            self.queue.add_after(key, seconds)

    async def _write_status(self, deployment: Object) -> None:
        self.deployments.remember(await self.client.update(DEPLOYMENTS, deployment, "status"))
