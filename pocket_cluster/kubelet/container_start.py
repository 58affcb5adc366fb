"""Starting one container: image, variables, files, process, and a real kubelet's words for what goes wrong."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

from pocket_cluster.api.objects import Object, namespace, uid
from pocket_cluster.kubelet import logs
from pocket_cluster.kubelet.container_process import ContainerSettings
from pocket_cluster.kubelet.container_record import ContainerRecord
from pocket_cluster.kubelet.container_root import make_container, network_settings, start_failure
from pocket_cluster.kubelet.environment import ConfigurationError, container_environment, expand, hostname
from pocket_cluster.kubelet.images import Image, InvalidImageName, familiar, find_image, normalise
from pocket_cluster.kubelet.mounts import UNABLE, CannotStart, mounts_of
from pocket_cluster.kubelet.node_services import NodeServices
from pocket_cluster.kubelet.probes import Executed
from pocket_cluster.kubelet.runtime_client import Process
from pocket_cluster.paths import inside

RETRY_SECONDS = 10.0
# How long ErrImagePull is shown before it becomes ImagePullBackOff.
SHOWN_SECONDS = 2.0
START_FAILED_CODE = 128
PRESENT = "already present on machine and can be accessed by the pod"
START_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
)
FALLBACK_LINES, FALLBACK_BYTES = 80, 2048


class StartError(Exception):
    """The container cannot be started now: what its waiting state says, and in how many seconds to try again."""

    def __init__(self, reason: str, message: str, seconds: float = RETRY_SECONDS) -> None:
        super().__init__(message)
        self.reason, self.message, self.seconds = reason, message, seconds


class ContainerStart:
    """One container of one pod, at ``address``; ``folder`` is the pod's."""

    def __init__(
        self, services: NodeServices, pod: Object, record: ContainerRecord, folder: Path, address: str
    ) -> None:
        self._services = services
        self._pod = pod
        self._record = record
        self._pod_folder = folder
        self._folder = inside(folder / "containers", record.name)
        self._address = address

    async def run(self) -> None:
        """Start a process for the container; StartError when that must wait."""
        image = self._image()
        environment = await self._environment(image)
        mounts = self._mounts(environment)
        self._event("Normal", "Pulled", f'Container image "{self._record.spec["image"]}" {PRESENT}')
        try:
            settings = self._make(image, environment, mounts)
        except CannotStart as error:
            self._count_created()
            self._fail(image, str(error))
            return
        self._count_created()
        await self._launch(image, settings)
        self._event("Normal", "Started", "Container started")

    def _count_created(self) -> None:
        """A process after the first is a restart; how the one before ended stays to be seen."""
        self._event("Normal", "Created", "Container created")
        if self._record.process == "ended":
            self._record.attempt += 1
            if "terminated" in self._record.state:
                self._record.last_state = self._record.state

    async def _launch(self, image: Image, settings: ContainerSettings) -> None:
        attempt = self._record.attempt
        identity = secrets.token_hex(32)
        shown = normalise(self._record.spec["image"])
        meta = {
            "pod": uid(self._pod),
            "container": self._record.name,
            "attempt": attempt,
            "image": shown,
            "image_id": image.digest,
        }
        log = logs.path_of(self._pod_folder, self._record.name, attempt)
        logs.remove_older(log, attempt)
        process = await self._services.runtime.start(identity, meta, settings, log)
        self._record.begin({"id": identity, **process}, shown, image.digest)

    def _fail(self, image: Image, failure: str) -> None:
        """The program cannot be executed: as runc, a process that ends before it begins."""
        message = START_FAILED + failure
        self._event("Warning", "Failed", f"Error: {message}")
        now = time.time()
        record = self._record
        process = {"id": secrets.token_hex(32), "started": 0.0, "finished": now, "exit_code": START_FAILED_CODE}
        record.image, record.image_id = normalise(record.spec["image"]), image.digest
        record.end({**process, "reason": "StartError"}, message)
        if self._pod["spec"].get("restartPolicy") != "Never":
            record.last_state = record.state
            record.wait("RunContainerError", message)

    # --- the image

    def _image(self) -> Image:
        wanted, record = self._record.spec["image"], self._record
        try:
            image = find_image(self._services.home.images_dir, wanted)
        except InvalidImageName as error:
            message = f'Failed to apply default image tag "{wanted}": couldn\'t parse image name "{wanted}": {error}'
            self._event("Warning", "InspectFailed", message)
            self._event("Warning", "Failed", "Error: InvalidImageName")
            raise StartError("InvalidImageName", message) from error
        if image:
            record.image_error = ""
            return image
        if record.spec.get("imagePullPolicy") == "Never":
            message = f'Container image "{wanted}" is not present with pull policy of Never'
            self._event("Warning", "ErrImageNeverPull", message)
            self._event("Warning", "Failed", "Error: ErrImageNeverPull")
            raise StartError("ErrImageNeverPull", message)
        self._no_image(wanted)
        raise AssertionError("unreachable")

    def _no_image(self, wanted: str) -> None:
        record, now = self._record, time.time()
        remaining = record.image_back_off.remaining(record.image_back_off.updated, now)
        if remaining > 0:
            message = f'Back-off pulling image "{wanted}"'
            self._event("Normal", "BackOff", message)
            self._event("Warning", "Failed", "Error: ImagePullBackOff")
            raise StartError("ImagePullBackOff", f"{message}: ErrImagePull: {record.image_error}", remaining)
        record.image_back_off.next(now)
        shown = familiar(normalise(wanted))
        record.image_error = (
            f'image "{shown}" is not in this cluster, which downloads none. Build it from the folder that has its'
            f" Containerfile: pocket-cluster build FOLDER {shown}"
        )
        self._event("Normal", "Pulling", f'Pulling image "{wanted}"')
        self._event("Warning", "Failed", f'Failed to pull image "{wanted}": {record.image_error}')
        self._event("Warning", "Failed", "Error: ErrImagePull")
        raise StartError("ErrImagePull", record.image_error, SHOWN_SECONDS)

    # --- variables and files

    async def _environment(self, image: Image) -> dict[str, str]:
        texts = await self._services.texts(self._pod, self._record.spec)
        services = self._services.services_for(self._pod)
        try:
            found = container_environment(
                self._pod,
                self._record.spec,
                image.environment,
                services,
                lambda kind, wanted: texts.get((kind, wanted)),
                self._address,
            )
        except ConfigurationError as error:
            raise self._misconfigured(error) from error
        return {"HOME": "/root", **found}

    def _mounts(self, environment: dict[str, str]) -> dict[str, Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            return mounts_of(self._record.spec, self._pod_folder / "volumes", self._folder, environment)
        except ConfigurationError as error:
            raise self._misconfigured(error) from error

    def _misconfigured(self, error: ConfigurationError) -> StartError:
        self._event("Warning", "Failed", f"Error: {error}")
        return StartError("CreateContainerConfigError", str(error))

    def _make(self, image: Image, environment: dict[str, str], mounts: dict[str, Path]) -> ContainerSettings:
        spec = self._record.spec
        network = network_settings(self._services.home, namespace(self._pod), hostname(self._pod), self._address)
        settings = make_container(
            self._folder,
            image,
            self._argv(image, environment),
            environment,
            spec.get("workingDir") or image.working_directory,
            mounts,
            network,
            self._services.home,
        )
        if failure := start_failure(settings):
            raise CannotStart(f"{UNABLE}{failure}")
        return settings

    def _argv(self, image: Image, environment: dict[str, str]) -> list[str]:
        """``command`` takes the place of the image's ENTRYPOINT and CMD, ``args`` that of its CMD."""
        spec = self._record.spec
        command = [expand(word, environment) for word in spec.get("command") or []]
        arguments = [expand(word, environment) for word in spec.get("args") or []]
        if command:
            return [*command, *arguments]
        return [*image.entrypoint, *(arguments or image.command)]

    # --- a container that runs, or did

    def settings(self) -> ContainerSettings:
        """How the container's processes are to be, as it was started."""
        found: ContainerSettings = json.loads((self._folder / "settings.json").read_text())
        return found

    async def execute(self, command: list[str], seconds: float) -> Executed:
        """Run a command inside the container."""
        return await self._services.execute(self.settings(), command, seconds)

    def last_words(self, process: Process) -> str:
        """The termination message: the file for it, or, where the pod says so, the end of the log of a failure."""
        try:
            text = (self._folder / "termination-log").read_text(errors="replace")
        except OSError:
            text = ""
        wants_log = self._record.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        if text or not wants_log or not process["exit_code"]:
            return text
        log = logs.path_of(self._pod_folder, self._record.name, self._record.attempt)
        lines = logs.last_lines(log, FALLBACK_LINES)
        return "".join(lines)[-FALLBACK_BYTES:]

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._services.event(self._pod, kind, reason, message, self._record.field_path)
