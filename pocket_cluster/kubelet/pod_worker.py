"""One pod's worker: brings what runs nearer to what the pod asks for.

Decisions are in ``decisions``, the status in ``status``; here are the effects, one step after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import Object, is_being_deleted, key, name, namespace, parse_time, uid
from pocket_cluster.api.resources import PODS
from pocket_cluster.kubelet import volumes
from pocket_cluster.kubelet.container_probes import ContainerProbes
from pocket_cluster.kubelet.container_record import ContainerRecord
from pocket_cluster.kubelet.container_start import StartError
from pocket_cluster.kubelet.container_stop import ContainerStop
from pocket_cluster.kubelet.decisions import next_steps, phase
from pocket_cluster.kubelet.hooks import HookFailed, run_hook
from pocket_cluster.kubelet.node_services import TROUBLE, NodeServices
from pocket_cluster.kubelet.pod_context import PodContext
from pocket_cluster.kubelet.runtime_client import Process, RuntimeUnavailable
from pocket_cluster.kubelet.status_writer import StatusWriter
from pocket_cluster.paths import inside

logger = logging.getLogger("pocket_cluster.kubelet")

TROUBLE_SECONDS = 0.5
UNEXPECTED_SECONDS = 10.0
# A container that failed shows how for this long, then that it waits to be restarted.
SHOWN_SECONDS = 2.0
FIRST_MOUNT_SECONDS, LONGEST_MOUNT_SECONDS = 0.5, 122.0
DEADLINE_EXCEEDED = "Pod was active on the node longer than the specified deadline"
# What is said of a container that ended while nobody looked.
LOST = {"exit_code": 255, "reason": "Unknown"}


class PodWorker(PodContext):
    """Runs as one task, from the pod's arrival at this node until it is gone from the API."""

    def __init__(self, services: NodeServices, pod: Object) -> None:
        super().__init__(services, pod)
        self._wake = asyncio.Event()
        self._status = StatusWriter(self)
        self._probes = ContainerProbes(self, self._changed, self._restart)
        self._stop = ContainerStop(self)
        self._early: dict[str, Process] = {}
        self._told: dict[str, int] = {}
        self._mount_failures = 0
        self._hooks: set[asyncio.Task[None]] = set()
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            status = pod["status"]
            self.situation = self.situation._replace(
                ending=True, reason=status.get("reason", ""), message=status.get("message", "")
            )

    # --- what happens to the pod

    def update(self, pod: Object) -> None:
        """The pod as the API server has it now."""
        earlier, self.pod = self.pod, pod
        if is_being_deleted(earlier) and _grace(pod) < _grace(earlier):
            asyncio.get_running_loop().call_later(_grace(pod), self._stop.hurry.set)
        self._wake.set()

    def remove(self) -> None:
        """The pod is gone from the API: nothing of it may go on."""
        self.gone = True
        self._stop.hurry.set()
        self._wake.set()

    def adopt(self, processes: list[Process]) -> None:
        """What the runtime has of this pod; a container that it does not know any more is lost."""
        for record in self.records.values():
            own = [process for process in processes if process["meta"]["container"] == record.name]
            newest = max(own, key=lambda process: float(process["started"]), default=None)
            if newest and newest["id"] != record.id:
                record.attempt = newest["meta"]["attempt"]
                record.begin(newest, newest["meta"]["image"], newest["meta"]["image_id"])
            if record.process != "running":
                continue
            if newest is None:
                self._lose(record)
            elif newest["finished"] is not None:
                self._end(record, newest)
            elif not self._probes.watches(record):
                self._probes.start(record)
        self._wake.set()

    def _lose(self, record: ContainerRecord) -> None:
        started = parse_time(record.state["running"]["startedAt"]).timestamp()
        self._end(record, {"id": record.id, "started": started, "finished": time.time(), **LOST})
        self.event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")

    def exited(self, process: Process) -> None:
        """A container's process ended."""
        record = self.records.get(process["meta"]["container"])
        if record and record.id == process["id"] and record.process == "running":
            self._end(record, process)
            self._wake.set()
        else:  # it ended before its start was answered
            self._early[process["id"]] = process

    def _end(self, record: ContainerRecord, process: Process) -> None:
        record.end(process, self.start_of(record).last_words(process))
        self._probes.stop(record)
        self._status.has_ended(process["id"])

    def look_again(self, kind: str, full_name: str) -> None:
        """A ConfigMap or Secret changed: files may have to follow, and what waited for it may start."""
        for record in self.records.values():
            if (record.state.get("waiting") or {}).get("reason") == "CreateContainerConfigError":
                record.retry_at = 0.0
                self._wake.set()
        if (kind, full_name) in volumes.references(self.pod):
            self._wake.set()

    def _changed(self) -> None:
        self._status.publish()
        self._wake.set()

    # --- for readers of logs

    def container_status(self, container: str) -> Object | None:
        """The newest status of one container, which the API server may not have yet."""
        status = self._status.current()
        found = [*(status.get("initContainerStatuses") or []), *status["containerStatuses"]]
        return next((each for each in found if each["name"] == container), None)

    def runs(self, container: str, attempt: int) -> bool:
        """Whether the process of that number still runs."""
        record = self.records[container]
        return record.process == "running" and record.attempt == attempt and not self.gone

    # --- the loop

    async def run(self) -> None:
        writing = asyncio.create_task(self._status.run())
        try:
            while not self.gone:
                self._wake.clear()
                pause = await self._step()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
            await self._end_now()
        finally:
            self._probes.stop_all()
            self._stop.give_up()
            for task in (writing, *self._hooks):
                task.cancel()

    async def _step(self) -> float | None:
        """Do what can be done now; returns after how many seconds there may be more, None for not before a change."""
        try:
            if is_being_deleted(self.pod):
                await self._terminate()
                return None
            if self.situation.ending:
                self._status.publish()
                return None
            if any(seconds <= 0 for seconds in self._seconds_to_deadline()):
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
            return min(FIRST_MOUNT_SECONDS * 2.0**self._mount_failures, LONGEST_MOUNT_SECONDS)
        self.situation = self.situation._replace(address=self.address)
        self._status.publish()
        while True:
            steps = next_steps(self.pod, self.records, time.time())
            if not steps.start:
                break
            for container in steps.start:
                await self._start(self.records[container])
            if is_being_deleted(self.pod) or self.gone:
                return 0.0
        pauses = [*steps.backing_off.values(), *steps.retry_in, *self._seconds_to_deadline()]
        for container in steps.backing_off:
            if not self._show_back_off(self.records[container]):
                pauses.append(SHOWN_SECONDS)
        finished = phase(self.pod, self.records, False) in ("Succeeded", "Failed")
        self.situation = self.situation._replace(ending=finished)
        self._status.publish()
        return min(pauses) if pauses and not finished else None

    # --- volumes

    async def _mount(self) -> bool:
        """Make the pod's volumes or bring them up to date; False, with an event, when something is missing."""
        for volume in self.pod["spec"].get("volumes") or []:
            try:
                await self._mount_one(volume)
            except volumes.VolumeError as error:
                self._mount_failures += 1
                self.event(
                    "Warning", "FailedMount", f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                )
                self._status.publish()
                return False
        self._mount_failures = 0
        return True

    async def _mount_one(self, volume: Object) -> None:
        found: dict[tuple[str, str], dict[str, bytes]] = {}
        for kind, full_name in volumes.references({**self.pod, "spec": {"volumes": [volume]}}):
            where, wanted = full_name.split("/")
            obj = await self.services.find(kind, where, wanted)
            if obj is not None:
                found[kind, wanted] = volumes.content_of(obj)
        folder = inside(self.folder / "volumes", volume["name"])
        volumes.write_volume(folder, volume, self.pod, self.address, lambda kind, wanted: found.get((kind, wanted)))

    # --- containers

    async def _start(self, record: ContainerRecord) -> None:
        if record.process == "ended":
            record.back_off.next(time.time())
        try:
            await self.start_of(record).run()
        except StartError as error:
            record.wait(error.reason, error.message)
            record.retry_at = time.time() + error.seconds
            self._status.publish()
            return
        early = self._early.pop(record.id, None)
        if early and record.process == "running":
            self._end(record, early)
        elif record.process == "running":
            self._status.publish()
            self._after_start(record)

    def _after_start(self, record: ContainerRecord) -> None:
        hook = (record.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            task = asyncio.create_task(self._run_post_start(record, hook))
            self._hooks.add(task)
            task.add_done_callback(self._hooks.discard)
        else:
            self._probes.start(record)

    async def _run_post_start(self, record: ContainerRecord, hook: Object) -> None:
        ended = record.exited
        try:
            await run_hook(hook, self.target(record), None)
        except (HookFailed, RuntimeUnavailable):
            if not ended.is_set():
                self.event("Warning", "FailedPostStartHook", "PostStartHook failed", record)
                self._restart(record, "FailedPostStartHook", {})
            return
        if not ended.is_set():
            self._probes.start(record)

    def _show_back_off(self, record: ContainerRecord) -> bool:
        """Say that the container waits to be restarted; False while it is to be seen for a moment how it ended."""
        pod = f"{name(self.pod)}_{namespace(self.pod)}({uid(self.pod)})"
        if self._told.get(record.name) != record.attempt:
            self._told[record.name] = record.attempt
            told = f"Back-off restarting failed container {record.name} in pod {pod}"
            self.event("Warning", "BackOff", told, record)
        if "terminated" not in record.state:
            return True
        if time.time() - record.finished < SHOWN_SECONDS:
            return False
        record.last_state = record.state
        wait = _go_duration(record.back_off.seconds)
        record.wait("CrashLoopBackOff", f"back-off {wait} restarting failed container={record.name} pod={pod}")
        return True

    # --- ending

    def _restart(self, record: ContainerRecord, message: str, probe: Object) -> None:
        """End the container; that it ended starts it again."""
        grace = probe.get("terminationGracePeriodSeconds", self._usual_grace())
        self._stop.begin(record, message, float(grace))

    async def _terminate(self) -> None:
        """End the pod as its deletion asks, and say so to the API server, which then forgets it."""
        self.situation = self.situation._replace(ending=True)
        await self._stop.stop_all(float(_grace(self.pod)))
        await self._status.write()
        try:
            await self.services.client.delete(PODS, name(self.pod), namespace(self.pod), uid(self.pod), grace_period=0)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _exceed_deadline(self) -> None:
        self.event("Normal", "DeadlineExceeded", DEADLINE_EXCEEDED)
        self.situation = self.situation._replace(ending=True, reason="DeadlineExceeded", message=DEADLINE_EXCEEDED)
        await self._stop.stop_all(self._usual_grace())
        self._status.publish()

    async def _end_now(self) -> None:
        """The pod is gone: end what still runs, and remove its files."""
        running = [record for record in self.records.values() if record.process == "running"]
        for record in running:
            with contextlib.suppress(RuntimeUnavailable):
                await self.services.runtime.kill(record.id)
        await asyncio.gather(*(record.exited.wait() for record in running))
        await self.services.forget([record.id for record in running])
        self.services.addresses.give_back(uid(self.pod))
        await asyncio.to_thread(shutil.rmtree, self.folder, True)

    def _usual_grace(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _seconds_to_deadline(self) -> list[float]:
        """Seconds until activeDeadlineSeconds are over, if the pod has such a limit."""
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        started = self._status.written.get("startTime") or (self.pod.get("status") or {}).get("startTime")
        if not limit or not started:
            return []
        return [parse_time(started).timestamp() + float(limit) - time.time()]


def _grace(pod: Object) -> int:
    """Seconds between SIGTERM and SIGKILL."""
    found = pod["metadata"].get("deletionGracePeriodSeconds")
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30) if found is None else found)


def _go_duration(seconds: float) -> str:
    """``10s``, ``1m20s``, as Go writes durations."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
