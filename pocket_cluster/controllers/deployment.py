"""The Deployment controller: from one edition of a pod template to the next (pkg/controller/deployment)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, controller_of, is_being_deleted, key, labels, name, namespace, uid
from pocket_cluster.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.controllers import deployment_decisions, deployment_status
from pocket_cluster.controllers.controller import Controller, claim, ignore_missing
from pocket_cluster.controllers.deployment_decisions import Step
from pocket_cluster.controllers.replica_set_decisions import is_owned_by


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
        if deployment is None:
            return
        selector = from_label_selector_object(deployment["spec"].get("selector"))
        candidates = self.replica_sets.by_namespace(namespace(deployment))
        replica_sets = await claim(self.client, REPLICA_SETS, deployment, DEPLOYMENTS, candidates, selector)
        if is_being_deleted(deployment):
            step = Step(new=deployment_decisions.find_new(deployment, replica_sets))
        else:
            step = deployment_decisions.next_step(deployment, replica_sets, self._old_pods(deployment, replica_sets))
            replica_sets = await self._carry_out(deployment, replica_sets, step)
        await self._update_status(key, deployment, replica_sets, step)

    def _old_pods(self, deployment: Object, replica_sets: list[Object]) -> list[Object]:
        new = deployment_decisions.find_new(deployment, replica_sets)
        old = {uid(each) for each in replica_sets if each is not new}
        pods = self.pods.by_namespace(namespace(deployment))
        return [pod for pod in pods if (owner := controller_of(pod)) and owner["uid"] in old]

    async def _carry_out(self, deployment: Object, replica_sets: list[Object], step: Step) -> list[Object]:
        """Write the step; the ReplicaSets as they are afterwards."""
        changed = {uid(each): each for each in replica_sets}
        if step.create:
            step.new = await self._create(deployment, step.create)
            changed[uid(step.new)] = step.new
        for each in step.update:
            written = await self.client.update(REPLICA_SETS, each)
            changed[uid(written)] = written
            self.replica_sets.remember(written)
            if step.new and uid(step.new) == uid(written):
                step.new = written
        for each in step.delete:
            await ignore_missing(self.client.delete(REPLICA_SETS, name(each), namespace(each), uid=uid(each)))
        for reason, message in step.events:
            await self.recorder.event(DEPLOYMENTS, deployment, "Normal", reason, message)
        return list(changed.values())

    async def _create(self, deployment: Object, wanted: Object) -> Object:
        try:
            created = await self.client.create(REPLICA_SETS, wanted, namespace(deployment))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            existing = await self.client.get(REPLICA_SETS, name(wanted), namespace(deployment))
            if is_owned_by(existing, uid(deployment)) and deployment_decisions.find_new(deployment, [existing]):
                return existing
            await self._count_collision(deployment)
            raise
        self.replica_sets.remember(created)
        return created

    async def _count_collision(self, deployment: Object) -> None:
        """Another ReplicaSet has this name: the next hash includes how often that has happened."""
        status = deployment.get("status") or {}
        counted = {**status, "collisionCount": status.get("collisionCount", 0) + 1}
        await self.client.update(DEPLOYMENTS, {**deployment, "status": counted}, "status")

    async def _update_status(self, key: str, deployment: Object, replica_sets: list[Object], step: Step) -> None:
        if step.revision:
            note = {"metadata": {"annotations": {deployment_decisions.REVISION: step.revision}}}
            deployment = await self.client.patch(DEPLOYMENTS, name(deployment), note, namespace(deployment))
            self.deployments.remember(deployment)
        moment = datetime.now(UTC)
        status = deployment_status.new_status(deployment, replica_sets, step, moment)
        if status != deployment.get("status"):
            written = await self.client.update(DEPLOYMENTS, {**deployment, "status": status}, "status")
            self.deployments.remember(written)
        seconds = deployment_status.waits_for_deadline(deployment, status, moment)
        if seconds is not None:
            self.queue.add_after(key, seconds)
