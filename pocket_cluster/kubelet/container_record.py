"""What the kubelet knows of one container of a pod."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pocket_cluster.api.objects import Object, parse_time, time_text
from pocket_cluster.kubelet.back_off import BackOff

RUNTIME_NAME = "pocket"
# The longest termination message (pkg/kubelet/container/runtime.go, MaxContainerTerminationMessageLength).
LONGEST_MESSAGE = 4096

Kind = Literal["init", "sidecar", "regular"]


@dataclass
class ContainerRecord:
    """One container: the newest process of it, how the one before ended, and when it may be tried again.

    ``state`` and ``last_state`` are as in a ContainerStatus. Times are seconds since 1970.
    """

    spec: Object
    kind: Kind
    process: Literal["none", "running", "ended"] = "none"
    state: Object = field(default_factory=dict)
    last_state: Object = field(default_factory=dict)
    id: str = ""
    image: str = ""
    image_id: str = ""
    attempt: int = 0
    finished: float = 0.0
    retry_at: float = 0.0
    started: bool = False
    ready: bool = False
    stopping: bool = False
    back_off: BackOff = field(default_factory=BackOff)
    image_back_off: BackOff = field(default_factory=BackOff)
    image_error: str = ""
    exited: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def field_path(self) -> str:
        """What events about this container refer to."""
        return f"spec.{'containers' if self.kind == 'regular' else 'initContainers'}{{{self.name}}}"

    @property
    def exit_code(self) -> int | None:
        """How the newest process ended; None while there is none that did."""
        return self.state_or_last.get("exitCode") if self.process == "ended" else None

    @property
    def state_or_last(self) -> Object:
        found: Object = self.state.get("terminated") or self.last_state.get("terminated") or {}
        return found

    @property
    def is_done(self) -> bool:
        """An init container that need not run again."""
        return self.kind == "init" and self.exit_code == 0

    def wait(self, reason: str, message: str = "") -> None:
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}

    def begin(self, process: Object, image: str, image_id: str) -> None:
        """A process of it runs."""
        self.id, self.image, self.image_id = process["id"], image, image_id
        self.process = "running"
        self.state = {"running": {"startedAt": moment(process["started"])}}
        self.started = self.ready = self.stopping = False
        self.exited = asyncio.Event()

    def end(self, process: Object, message: str = "") -> None:
        """Its process ended: ``process`` as the runtime describes it."""
        self.process = "ended"
        self.finished = process["finished"]
        code = process["exit_code"]
        terminated = {
            "exitCode": code,
            "reason": process.get("reason") or ("Completed" if code == 0 else "Error"),
            "startedAt": moment(process["started"]),
            "finishedAt": moment(process["finished"]),
            "containerID": full_id(process["id"]),
            "message": message[-LONGEST_MESSAGE:],
        }
        self.id = process["id"]
        self.state = {"terminated": {key: value for key, value in terminated.items() if value != ""}}
        self.ready = self.started = self.stopping = False
        self.exited.set()


def full_id(container: str) -> str:
    return f"{RUNTIME_NAME}://{container}"


def moment(seconds: float) -> str:
    return time_text(datetime.fromtimestamp(seconds, UTC))


def records_of(pod: Object) -> dict[str, ContainerRecord]:
    """One record for each container, in the order of their start, with what the pod's status says of earlier times."""
    spec = pod["spec"]
    known = _known_statuses(pod)
    records: dict[str, ContainerRecord] = {}
    for container in spec.get("initContainers") or []:
        kind: Kind = "sidecar" if container.get("restartPolicy") == "Always" else "init"
        records[container["name"]] = _recall(ContainerRecord(container, kind), known)
    for container in spec["containers"]:
        records[container["name"]] = _recall(ContainerRecord(container, "regular"), known)
    for record in records.values():
        if not record.state:
            record.wait("PodInitializing" if spec.get("initContainers") else "ContainerCreating")
    return records


def _known_statuses(pod: Object) -> dict[str, Object]:
    status = pod.get("status") or {}
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return {each["name"]: each for each in found}


def _recall(record: ContainerRecord, known: dict[str, Any]) -> ContainerRecord:
    status = known.get(record.name)
    if not status or not status.get("containerID"):
        return record
    record.attempt = status.get("restartCount", 0)
    record.id = status["containerID"].partition("://")[2]
    record.image, record.image_id = status.get("image", ""), status.get("imageID", "")
    record.last_state = status.get("lastState") or {}
    record.state = status.get("state") or {}
    record.process = "running" if "running" in record.state else "ended"
    record.ready, record.started = status.get("ready", False), status.get("started", False)
    if record.process == "ended":
        record.exited.set()
        finished = record.state_or_last.get("finishedAt")
        record.finished = parse_time(finished).timestamp() if finished else 0.0
    return record
