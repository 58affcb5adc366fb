"""One pod's worker: brings what runs nearer to what the pod asks for, and tells the API server what runs.

Decisions are in ``decisions``, the status in ``status``; here are the effects, one step after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import time
from collections.abc import Coroutine
from typing import Any

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, is_being_deleted, key, name, namespace, parse_time, uid
from pocket_cluster.api.resources import PODS
from pocket_cluster.kubelet import volumes
from pocket_cluster.kubelet.container_record import ContainerRecord, records_of
from pocket_cluster.kubelet.container_start import ContainerStart, StartError
from pocket_cluster.kubelet.decisions import next_steps, phase
from pocket_cluster.kubelet.hooks import HookFailed, run_hook
from pocket_cluster.kubelet.node_services import TROUBLE, NodeServices
from pocket_cluster.kubelet.probes import KINDS, Answer, ProbeKind, Target, Watcher, keep_asking
from pocket_cluster.kubelet.runtime_client import Process, RuntimeUnavailable
from pocket_cluster.kubelet.status import Situation, next_status

logger = logging.getLogger("pocket_cluster.kubelet")

TROUBLE_SECONDS = 0.5
UNEXPECTED_SECONDS = 10.0
# A container that failed shows how for this long, then that it waits to be restarted.
SHOWN_SECONDS = 2.0
# After a preStop hook that used up the grace period (pkg/kubelet/kuberuntime, minimumGracePeriodInSeconds).
LEAST_SECONDS_AFTER_HOOK = 2.0
LOST = {"exit_code": 255, "reason": "Unknown"}


class PodWorker:
    """Runs as one task, from the pod's arrival at this node until it is gone from the API."""

    def __init__(self, services: NodeServices, pod: Object) -> None:
        self.services = services
        self.pod = pod
        self.records = records_of(pod)
        self.folder = services.home.pods_dir / uid(pod)
        self.address = ""
        self.gone = False
        self._wake = asyncio.Event()
        self._dirty = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written: Object = {}
        self._situation = Situation()
        self._tasks: set[asyncio.Task[None]] = set()
        self._probes: dict[str, list[asyncio.Task[None]]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._mount_failures = 0
        self._ended: list[str] = []
        self._early: dict[str, Process] = {}
        self._told: dict[str, int] = {}
        if phase(pod, self.records, False) in ("Succeeded", "Failed") or _is_finished(pod):
            self._situation = Situation(ending=True)

    # --- what happens to the pod

    def update(self, pod: Object) -> None:
        """The pod as the API server has it now."""
        earlier = self.pod
        self.pod = pod
        if is_being_deleted(pod) and _grace(pod) < _grace(earlier) and is_being_deleted(earlier):
            self._later(_grace(pod), self._hurry.set)
        self._wake.set()

    def remove(self) -> None:
        """The pod is gone from the API: nothing of it may go on."""
        self.gone = True
        self._hurry.set()
        self._wake.set()

    def adopt(self, processes: list[Process]) -> None:
        """What the runtime has of this pod; a container that it does not know any more is lost."""
        by_id = {process["id"]: process for process in processes}
        for record in self.records.values():
            own = [p for p in by_id.values() if p["meta"].get("container") == record.name]
            newest = max(own, key=lambda process: process["started"], default=None)
            if newest and newest["id"] != record.id:
                record.attempt = newest["meta"]["attempt"]
                record.begin(newest, newest["meta"]["image"], newest["meta"]["image_id"])
            if newest and newest["finished"] is not None and record.process == "running":
                self._end(record, newest)
            elif newest is None and record.process == "running":
                self._lose(record)
            elif record.process == "running" and record.name not in self._probes:
                self._start_probes(record)
        self._wake.set()

    def _lose(self, record: ContainerRecord) -> None:
        running = record.state.get("running") or {}
        started = parse_time(running["startedAt"]).timestamp() if running else time.time()
        self._end(record, {"id": record.id, "started": started, "finished": time.time(), **LOST})
        self.services.event(
            self.pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
        )

    def exited(self, process: Process) -> None:
        """A container's process ended."""
        record = self.records.get(process["meta"]["container"])
        if record and record.id == process["id"] and record.process == "running":
            self._end(record, process)
            self._wake.set()
        else:  # it ended before its start was answered
            self._early[process["id"]] = process

    def _end(self, record: ContainerRecord, process: Process) -> None:
        record.end(process, ContainerStart(self.services, self.pod, record, self.folder, "").last_words(process))
        for task in self._probes.pop(record.name, []):
            task.cancel()
        self._ended.append(process["id"])
        self._publish()

    # --- the loop

    async def run(self) -> None:
        writing = asyncio.create_task(self._write_statuses())
        try:
            while not self.gone:
                self._wake.clear()
                pause = await self._step()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
            await self._end_now()
        finally:
            for task in [writing, *self._tasks, *(task for tasks in self._probes.values() for task in tasks)]:
                task.cancel()

    async def _step(self) -> float | None:
        """Do what can be done now; returns after how many seconds there may be more, None for not before a change."""
        try:
            if is_being_deleted(self.pod):
                await self._terminate()
                return None
            if self._situation.ending:
                self._publish()
                return None
            if self._is_past_deadline():
                await self._exceed_deadline()
                return None
            return await self._advance()
        except (*TROUBLE, RuntimeUnavailable) as error:
            logger.info("pod %s: %s; trying again", key(self.pod), error)
            return TROUBLE_SECONDS
        except Exception:
            logger.exception("pod %s could not be brought further", key(self.pod))
            return UNEXPECTED_SECONDS

    async def _advance(self) -> float | None:
        if not await self._mount():
            return min(0.5 * 2**self._mount_failures, 120.0)
        self._take_address()
        self._publish()
        while True:
            steps = next_steps(self.pod, self.records, time.time())
            if not steps.start:
                break
            for container in steps.start:
                await self._start(self.records[container])
            if is_being_deleted(self.pod) or self.gone:
                return 0.0
        for container in steps.backing_off:
            if not self._show_back_off(self.records[container]):
                steps.retry_in.append(SHOWN_SECONDS)
        self._publish()
        if phase(self.pod, self.records, False) in ("Succeeded", "Failed"):
            self._situation = self._situation._replace(ending=True)
            self._publish()
            return None
        pauses: list[float] = [*steps.backing_off.values(), *steps.retry_in, *self._seconds_to_deadline()]
        return min(pauses, default=None)

    def _take_address(self) -> None:
        self.address = self.services.addresses.of(uid(self.pod))
        self._situation = self._situation._replace(address=self.address)

    # --- volumes

    async def _mount(self) -> bool:
        """Make the pod's volumes or bring them up to date; False, with an event, when something is missing."""
        for volume in self.pod["spec"].get("volumes") or []:
            try:
                await self._mount_one(volume)
            except volumes.VolumeError as error:
                self._mount_failures += 1
                message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                self.services.event(self.pod, "Warning", "FailedMount", message)
                self._publish()
                return False
        self._mount_failures = 0
        return True

    async def _mount_one(self, volume: Object) -> None:
        found: dict[tuple[str, str], dict[str, bytes]] = {}
        for kind, full_name in volumes.references({"spec": {"volumes": [volume]}, "metadata": self.pod["metadata"]}):
            obj = await self.services.find(kind, *full_name.split("/"))
            if obj is not None:
                found[kind, full_name.split("/")[1]] = volumes.content_of(obj)
        address = self.services.addresses.of(uid(self.pod))
        volumes.write_volume(
            self.folder / "volumes" / volume["name"],
            volume,
            self.pod,
            address,
            lambda kind, name: found.get((kind, name)),
        )

    # --- containers

    async def _start(self, record: ContainerRecord) -> None:
        start = ContainerStart(self.services, self.pod, record, self.folder, self.address)
        if record.process == "ended":
            record.back_off.next(time.time())
        try:
            await start.run()
        except StartError as error:
            record.wait(error.reason, error.message)
            record.retry_at = time.time() + error.seconds
            self._publish()
            return
        early = self._early.pop(record.id, None)
        if early and record.process == "running":
            self._end(record, early)
        elif record.process == "running":
            self._publish()
            self._after_start(record)

    def _after_start(self, record: ContainerRecord) -> None:
        hook = (record.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            self._spawn(self._run_post_start(record, hook))
        else:
            self._start_probes(record)

    async def _run_post_start(self, record: ContainerRecord, hook: Object) -> None:
        ended = record.exited
        try:
            await run_hook(hook, self._target(record), None)
        except HookFailed:
            if not ended.is_set():
                self._container_event(record, "Warning", "FailedPostStartHook", "PostStartHook failed")
                self._restart(record, "FailedPostStartHook", {})
            return
        if not ended.is_set():
            self._start_probes(record)

    def _show_back_off(self, record: ContainerRecord) -> bool:
        """Say that the container waits to be restarted; False while it is to be seen for a moment how it ended."""
        pod = f"{name(self.pod)}_{namespace(self.pod)}({uid(self.pod)})"
        if self._told.get(record.name) != record.attempt:
            self._told[record.name] = record.attempt
            told = f"Back-off restarting failed container {record.name} in pod {pod}"
            self._container_event(record, "Warning", "BackOff", told)
        if "terminated" not in record.state:
            return True
        if time.time() - record.finished < SHOWN_SECONDS:
            return False
        record.last_state = record.state
        wait = _go_duration(record.back_off.seconds)
        record.wait("CrashLoopBackOff", f"back-off {wait} restarting failed container={record.name} pod={pod}")
        return True

    # --- probes

    def _start_probes(self, record: ContainerRecord) -> None:
        probes = {kind: record.spec[f"{kind}Probe"] for kind in KINDS if f"{kind}Probe" in record.spec}
        if "startup" in probes and not record.started:
            self._probe(record, "startup", probes["startup"])
            return
        record.started = True
        record.ready = record.ready or "readiness" not in probes
        for kind in ("readiness", "liveness"):
            if kind in probes:
                self._probe(record, kind, probes[kind])
        self._probes.setdefault(record.name, [])
        self._publish()
        self._wake.set()

    def _probe(self, record: ContainerRecord, kind: Any, probe: Object) -> None:
        watcher = Watcher(
            lambda kind, answer: self._unhealthy(record, kind, answer),
            lambda kind: self._passed(record, kind),
            lambda kind, probe: self._failed(record, kind, probe),
        )
        age = time.time() - parse_time(record.state["running"]["startedAt"]).timestamp()
        task = asyncio.create_task(keep_asking(kind, probe, self._target(record), watcher, age))
        self._probes.setdefault(record.name, []).append(task)

    def _target(self, record: ContainerRecord) -> Target:
        start = ContainerStart(self.services, self.pod, record, self.folder, self.address)
        return Target(record.spec, self.address, self.services.home.addresses.to_local_socket, start.execute)

    def _unhealthy(self, record: ContainerRecord, kind: ProbeKind, answer: Answer) -> None:
        how = "failed" if answer.outcome == "failure" else "errored and resulted in unknown state"
        self._container_event(record, "Warning", "Unhealthy", f"{kind.capitalize()} probe {how}: {answer.message}")

    def _passed(self, record: ContainerRecord, kind: ProbeKind) -> None:
        if kind == "startup":
            record.started = True
            self._start_probes(record)
        elif kind == "readiness" and not record.ready:
            record.ready = True
            self._publish()

    def _failed(self, record: ContainerRecord, kind: ProbeKind, probe: Object) -> None:
        if kind != "readiness":
            self._restart(record, f"Container {record.name} failed {kind} probe, will be restarted", probe)
        elif record.ready:
            record.ready = False
            self._publish()

    # --- ending

    def _restart(self, record: ContainerRecord, message: str, probe: Object) -> None:
        """End the container; that it ended starts it again."""
        if not record.stopping:
            grace = probe.get(
                "terminationGracePeriodSeconds", self.pod["spec"].get("terminationGracePeriodSeconds", 30)
            )
            self._stops[record.name] = self._spawn(self._stop(record, message, float(grace)))

    async def _stop(self, record: ContainerRecord, message: str, grace: float) -> None:
        """preStop, then SIGTERM, then, when the grace period is over, SIGKILL to all of it."""
        if record.stopping or record.process != "running":
            return
        record.stopping = True
        ended, began = record.exited, time.monotonic()
        self._container_event(record, "Normal", "Killing", message)
        hook = (record.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0:
            await self._run_pre_stop(record, hook, grace)
            grace = max(grace - (time.monotonic() - began), LEAST_SECONDS_AFTER_HOOK)
        try:
            if grace > 0 and not ended.is_set():
                await self.services.runtime.signal(record.id, signal.SIGTERM)
                await _first_of(grace, ended, self._hurry)
            if not ended.is_set():
                await self.services.runtime.kill(record.id)
                await ended.wait()
        except RuntimeUnavailable as error:
            logger.info("pod %s: %s", key(self.pod), error)
            await ended.wait()  # the runtime takes its containers with it; the next one says so

    async def _run_pre_stop(self, record: ContainerRecord, hook: Object, grace: float) -> None:
        try:
            await asyncio.wait_for(run_hook(hook, self._target(record), grace), grace)
        except HookFailed:
            self._container_event(record, "Warning", "FailedPreStopHook", "PreStopHook failed")
        except TimeoutError:
            pass  # the container is told to stop all the same

    async def _stop_all(self, grace: float) -> None:
        """End all containers at once, sidecars after the others."""
        for kinds in (("init", "regular"), ("sidecar",)):
            running = [r for r in self.records.values() if r.process == "running" and r.kind in kinds]
            for record in running:
                if record.name not in self._stops or self._stops[record.name].done():
                    self._stops[record.name] = self._spawn(
                        self._stop(record, f"Stopping container {record.name}", grace)
                    )
            await asyncio.gather(*(record.exited.wait() for record in running))

    async def _terminate(self) -> None:
        """End the pod as its deletion asks, and say so to the API server, which then forgets it."""
        self._situation = self._situation._replace(ending=True)
        await self._stop_all(float(_grace(self.pod)))
        await self._write_status()
        try:
            await self.services.client.delete(PODS, name(self.pod), namespace(self.pod), uid(self.pod), grace_period=0)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _exceed_deadline(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self.services.event(self.pod, "Normal", "DeadlineExceeded", message)
        self._situation = self._situation._replace(ending=True, reason="DeadlineExceeded", message=message)
        await self._stop_all(float(self.pod["spec"].get("terminationGracePeriodSeconds", 30)))
        self._publish()

    async def _end_now(self) -> None:
        """The pod is gone: end what still runs, and remove its files."""
        running = [record for record in self.records.values() if record.process == "running"]
        for record in running:
            with contextlib.suppress(RuntimeUnavailable):
                await self.services.runtime.kill(record.id)
        await asyncio.gather(*(record.exited.wait() for record in running))
        self.services.addresses.give_back(uid(self.pod))
        await asyncio.to_thread(shutil.rmtree, self.folder, True)

    def _is_past_deadline(self) -> bool:
        return any(seconds <= 0 for seconds in self._seconds_to_deadline())

    def _seconds_to_deadline(self) -> list[float]:
        limit: float | None = self.pod["spec"].get("activeDeadlineSeconds")
        started = (self.pod.get("status") or {}).get("startTime") or self._written.get("startTime")
        if not limit or not started:
            return []
        return [parse_time(started).timestamp() + limit - time.time()]

    # --- the status

    def _publish(self) -> None:
        self._dirty.set()

    async def _write_statuses(self) -> None:
        while True:
            await self._dirty.wait()
            try:
                await self._write_status()
            except TROUBLE as error:
                logger.info("the status of pod %s was not written: %s", key(self.pod), error)
                self._dirty.set()
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _write_status(self) -> None:
        """Write the newest status, unless it was written already."""
        self._dirty.clear()
        known = {**self.pod, "status": {**(self.pod.get("status") or {}), **self._written}}
        status = next_status(known, self.records, self._situation)
        if status == self._written or self.gone:
            return
        self._written = status
        try:
            body = {"metadata": {"uid": uid(self.pod)}, "status": status}
            await self.services.client.patch(PODS, name(self.pod), body, namespace(self.pod), "status")
        except ApiError as error:
            if error.code not in (404, 409):
                self._written = {}
                raise
        await self._forget_ended()

    async def _forget_ended(self) -> None:
        """How they ended stands in the API now: the runtime need not remember it."""
        ended, self._ended = self._ended, []
        if ended:
            with contextlib.suppress(RuntimeUnavailable):
                await self.services.runtime.forget(ended)

    # --- small things

    def _container_event(self, record: ContainerRecord, kind: str, reason: str, message: str) -> None:
        part = "containers" if record.kind == "regular" else "initContainers"
        self.services.event(self.pod, kind, reason, message, f"spec.{part}{{{record.name}}}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _later(self, seconds: float, call: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, call)

    def look_again(self, kind: str, full_name: str) -> None:
        """A ConfigMap or Secret changed: files may have to follow, and what waited for it may start."""
        for record in self.records.values():
            if (record.state.get("waiting") or {}).get("reason") == "CreateContainerConfigError":
                record.retry_at = 0.0
                self._wake.set()
        if (kind, full_name) in volumes.references(self.pod):
            self._wake.set()

    def container_status(self, container: str) -> Object | None:
        """The newest status of one container, which the API server may not have yet."""
        status = next_status(self.pod, self.records, self._situation)
        found = [*(status.get("initContainerStatuses") or []), *status["containerStatuses"]]
        return next((each for each in found if each["name"] == container), None)

    def runs(self, container: str, attempt: int) -> bool:
        """Whether the process of that number still runs."""
        record = self.records[container]
        return record.process == "running" and record.attempt == attempt and not self.gone


def _grace(pod: Object) -> int:
    found = pod["metadata"].get("deletionGracePeriodSeconds")
    if found is None:
        found = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return int(found)


def _is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _go_duration(seconds: float) -> str:
    """``10s``, ``1m20s``, as Go writes durations."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
