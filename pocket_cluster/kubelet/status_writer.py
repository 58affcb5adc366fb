"""Writes a pod's status whenever it has changed, one write after the other."""

from __future__ import annotations

import asyncio
import logging

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, key, name, namespace, uid
from pocket_cluster.api.resources import PODS
from pocket_cluster.kubelet.node_services import TROUBLE
from pocket_cluster.kubelet.pod_context import PodContext
from pocket_cluster.kubelet.status import next_status

logger = logging.getLogger("pocket_cluster.kubelet")

TROUBLE_SECONDS = 0.5


class StatusWriter:
    """For one pod."""

    def __init__(self, context: PodContext) -> None:
        self._context = context
        self._dirty = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._ended: list[str] = []
        self.written: Object = {}

    def publish(self) -> None:
        """Something has changed: write it soon."""
        self._dirty.set()

    def has_ended(self, process: str) -> None:
        """A process ended; when that is written the runtime may forget it."""
        self._ended.append(process)
        self.publish()

    def current(self) -> Object:
        """The status as it is at this moment."""
        pod = self._context.pod
        known = {**pod, "status": {**(pod.get("status") or {}), **self.written}}
        return next_status(known, self._context.records, self._context.situation)

    async def run(self) -> None:
        while True:
            await self._dirty.wait()
            try:
                await self.write()
            except TROUBLE as error:
                logger.info("the status of pod %s was not written: %s", key(self._context.pod), error)
                self._dirty.set()
                await asyncio.sleep(TROUBLE_SECONDS)

    async def write(self) -> None:
        """Write the newest status now, unless it was written already."""
        async with self._one_at_a_time:
            self._dirty.clear()
            status, ended = self.current(), self._ended
            if status == self.written or self._context.gone:
                return
            await self._send(status)
            self.written, self._ended = status, self._ended[len(ended) :]
        await self._context.services.forget(ended)

    async def _send(self, status: Object) -> None:
        pod = self._context.pod
        body = {"metadata": {"uid": uid(pod)}, "status": status}
        try:
            await self._context.services.client.patch(PODS, name(pod), body, namespace(pod), "status")
        except ApiError as error:
            if error.code not in (404, 409):  # it is gone, or another pod has its name
                raise
