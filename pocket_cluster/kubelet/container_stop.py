"""Ending containers: preStop, SIGTERM, and SIGKILL when the grace period is over (pkg/kubelet/kuberuntime)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time

from pocket_cluster.api.objects import Object, key
from pocket_cluster.kubelet.container_record import ContainerRecord
from pocket_cluster.kubelet.hooks import HookFailed, run_hook
from pocket_cluster.kubelet.pod_context import PodContext
from pocket_cluster.kubelet.runtime_client import RuntimeUnavailable

logger = logging.getLogger("pocket_cluster.kubelet")

# A shorter grace period, or what a preStop hook left of one, is made as long (minimumGracePeriodInSeconds).
LEAST_SECONDS = 2.0


class ContainerStop:
    """For the containers of one pod; ``hurry`` cuts every grace period short."""

    def __init__(self, context: PodContext) -> None:
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self.hurry = asyncio.Event()

    def begin(self, record: ContainerRecord, message: str, grace: float) -> None:
        """Start to end a container, unless that has begun; ``record.exited`` says when it is over."""
        if record.stopping or record.process != "running":
            return
        record.stopping = True
        self._context.event("Normal", "Killing", message, record)
        task = asyncio.create_task(self._stop(record, grace))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop_all(self, grace: float) -> None:
        """End all containers at once, sidecars after the others; returns when they have ended."""
        for kinds in (("init", "regular"), ("sidecar",)):
            running = [r for r in self._context.records.values() if r.process == "running" and r.kind in kinds]
            for record in running:
                self.begin(record, f"Stopping container {record.name}", grace)
            await asyncio.gather(*(record.exited.wait() for record in running))

    def give_up(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _stop(self, record: ContainerRecord, grace: float) -> None:
        ended, began = record.exited, time.monotonic()
        hook = (record.spec.get("lifecycle") or {}).get("preStop")
        if grace > 0:
            if hook:
                await self._run_hook(record, hook, grace)
            grace = max(grace - (time.monotonic() - began), LEAST_SECONDS)
        runtime = self._context.services.runtime
        # A runtime that is gone took its containers with it: that they ended will be found out.
        with contextlib.suppress(RuntimeUnavailable):
            if grace > 0 and not ended.is_set():
                await runtime.signal(record.id, signal.SIGTERM)
                await _first_of(grace, ended, self.hurry)
            if not ended.is_set():
                await runtime.kill(record.id)

    async def _run_hook(self, record: ContainerRecord, hook: Object, grace: float) -> None:
        try:
            await asyncio.wait_for(run_hook(hook, self._context.target(record), grace), grace)
        except (HookFailed, RuntimeUnavailable):
            self._context.event("Warning", "FailedPreStopHook", "PreStopHook failed", record)
        except TimeoutError:
            logger.info("pod %s: preStop of %s took too long", key(self._context.pod), record.name)


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
