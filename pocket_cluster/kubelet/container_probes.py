"""The probes of a pod's containers, and what follows from their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pocket_cluster.api.objects import Object, parse_time
from pocket_cluster.kubelet.container_record import ContainerRecord
from pocket_cluster.kubelet.pod_context import PodContext
from pocket_cluster.kubelet.probes import KINDS, Answer, ProbeKind, Watcher, keep_asking

# Told of a container that must be restarted: why, and the probe that said so.
Restart = Callable[[ContainerRecord, str, Object], None]


class ContainerProbes:
    """``changed`` is called when a container has started, or become ready or unready."""

    def __init__(self, context: PodContext, changed: Callable[[], None], restart: Restart) -> None:
        self._context = context
        self._changed = changed
        self._restart = restart
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    def start(self, record: ContainerRecord) -> None:
        """The container runs: ask it; what has no probe is well."""
        probes = {kind: record.spec[f"{kind}Probe"] for kind in KINDS if f"{kind}Probe" in record.spec}
        self._tasks.setdefault(record.name, [])
        if "startup" in probes and not record.started:
            self._ask(record, "startup", probes["startup"])
            return
        record.started = True
        record.ready = record.ready or "readiness" not in probes
        for kind in KINDS[1:]:
            if kind in probes:
                self._ask(record, kind, probes[kind])
        self._changed()

    def watches(self, record: ContainerRecord) -> bool:
        return record.name in self._tasks

    def stop(self, record: ContainerRecord) -> None:
        for task in self._tasks.pop(record.name, []):
            task.cancel()

    def stop_all(self) -> None:
        for tasks in self._tasks.values():
            for task in tasks:
                task.cancel()

    def _ask(self, record: ContainerRecord, kind: ProbeKind, probe: Object) -> None:
        watcher = Watcher(
            lambda kind, answer: self._unhealthy(record, kind, answer),
            lambda kind: self._passed(record, kind),
            lambda kind, probe: self._failed(record, kind, probe),
        )
        age = time.time() - parse_time(record.state["running"]["startedAt"]).timestamp()
        task = asyncio.create_task(keep_asking(kind, probe, self._context.target(record), watcher, age))
        self._tasks[record.name].append(task)

    def _unhealthy(self, record: ContainerRecord, kind: ProbeKind, answer: Answer) -> None:
        how = "failed" if answer.outcome == "failure" else "errored and resulted in unknown state"
        message = f"{kind.capitalize()} probe {how}: {answer.message}"
        self._context.event("Warning", "Unhealthy", message, record)

    def _passed(self, record: ContainerRecord, kind: ProbeKind) -> None:
        if kind == "startup":
            record.started = True
            self.start(record)
        elif kind == "readiness" and not record.ready:
            record.ready = True
            self._changed()

    def _failed(self, record: ContainerRecord, kind: ProbeKind, probe: Object) -> None:
        if kind != "readiness":
            self._restart(record, f"Container {record.name} failed {kind} probe, will be restarted", probe)
        elif record.ready:
            record.ready = False
            self._changed()
