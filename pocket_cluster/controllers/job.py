"""The Job controller: pods until enough of them have succeeded (pkg/controller/job), and a Job's end of life
(pkg/controller/ttlafterfinished).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    condition,
    controller_of,
    is_being_deleted,
    labels,
    name,
    namespace,
    split_key,
    uid,
)
from pocket_cluster.api.resources import JOBS, PODS
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.controllers import job_decisions as decisions
from pocket_cluster.controllers.controller import (
    Controller,
    claim,
    ignore_missing,
    in_growing_batches,
    patch_metadata,
)
from pocket_cluster.controllers.job_pods import FINALIZER, is_tracked, new_pod

OWN_NAME = "kubernetes.io/job-controller"


class JobController(Controller):
    name = "job"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.jobs = self.informers.of(JOBS)
        self.pods = self.informers.of(PODS)
        self.jobs.add_handler(self.enqueue)
        self.pods.add_handler(self.enqueue_owner(JOBS.kind))

    async def reconcile(self, key: str) -> None:
        job = self.jobs.items.get(key)
        await self._free_orphans(key, job)
        if job is not None and job["spec"].get("managedBy") in (None, OWN_NAME):
            await ignore_missing(self._reconcile(key, job))

    async def _free_orphans(self, key: str, job: Object | None) -> None:
        """Nobody counts the pods of a Job that is gone: they may go too."""
        where, job_name = split_key(key)
        for pod in self.pods.by_namespace(where):
            owner = controller_of(pod)
            named = owner["name"] if owner else labels(pod).get("batch.kubernetes.io/job-name")
            is_counted = owner is not None and job is not None and owner["uid"] == uid(job)
            if is_tracked(pod) and named == job_name and not is_counted:
                await self._release(pod)

    async def _reconcile(self, key: str, job: Object) -> None:
        selector = from_label_selector_object(job["spec"].get("selector"))
        pods = await claim(self.client, PODS, job, JOBS, self.pods.by_namespace(namespace(job)), selector)
        if is_being_deleted(job) or decisions.finished_as(job):
            await asyncio.gather(*(self._release(pod) for pod in pods if is_tracked(pod)))
            await self._end_of_life(key, job)
            return
        plan = decisions.plan(job, pods, datetime.now(UTC))
        job = await self._write(job, plan.status)
        await asyncio.gather(*(self._release(pod) for pod in plan.release))
        await asyncio.gather(*(self._delete(job, pod) for pod in plan.delete))
        missing = iter(plan.create)
        problem = await in_growing_batches(
            len(plan.create), lambda: self.create_pod(JOBS, job, new_pod(job, next(missing)))
        )
        if plan.again is not None:
            self.queue.add_after(key, plan.again)
        if problem:
            raise problem

    async def _end_of_life(self, key: str, job: Object) -> None:
        left = decisions.seconds_to_live(job, datetime.now(UTC))
        if left is None or is_being_deleted(job):
            return
        if left > 0:
            self.queue.add_after(key, left)
        else:
            await self.client.delete(JOBS, name(job), namespace(job), uid=uid(job), propagation="Foreground")

    async def _write(self, job: Object, status: Object) -> Object:
        if status == job.get("status"):
            return job
        written = await self.client.update(JOBS, {**job, "status": status}, "status")
        self.jobs.remember(written)
        for kind, is_true, event, reason in TOLD:
            before, after = condition(job, kind), condition(written, kind)
            if after and (after["status"] == "True") is is_true and after["status"] != (before or {}).get("status"):
                text = "Job completed" if kind == "Complete" else after["message"]
                self.tell(JOBS, written, event, reason or after["reason"], text)
        return written

    async def _delete(self, job: Object, pod: Object) -> None:
        try:
            marked = await self.client.delete(PODS, name(pod), namespace(pod), uid=uid(pod))
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return
        if is_being_deleted(marked):
            self.pods.remember(marked)
        self.tell(JOBS, job, "Normal", "SuccessfulDelete", f"Deleted pod: {name(pod)}")

    async def _release(self, pod: Object) -> None:
        """Take the finalizer from a pod."""
        freed = await patch_metadata(self.client, PODS, pod, {"$deleteFromPrimitiveList/finalizers": [FINALIZER]})
        if freed and not is_being_deleted(freed):
            self.pods.remember(freed)


# Which change of a condition is told as which event; no reason: the condition's own.
TOLD = (
    ("Complete", True, "Normal", "Completed"),
    ("Failed", True, "Warning", ""),
    ("Suspended", True, "Normal", "Suspended"),
    ("Suspended", False, "Normal", "Resumed"),
)
