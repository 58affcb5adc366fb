"""What the workers of all pods on this node share: the API, the runtime, images, ConfigMaps, Secrets, Services."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import aiohttp

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.events import EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, join_key, key, namespace
from pocket_cluster.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, PODS, SECRETS, SERVICES
from pocket_cluster.home import NODE_NAME, Home
from pocket_cluster.kubelet.container_process import ContainerSettings
from pocket_cluster.kubelet.container_root import start_failure
from pocket_cluster.kubelet.pod_addresses import PodAddresses
from pocket_cluster.kubelet.probes import Executed
from pocket_cluster.kubelet.runtime_client import Process, RuntimeClient, RuntimeUnavailable

logger = logging.getLogger("pocket_cluster.kubelet")

EVENT_WRITERS = 2
KILLED_SECONDS = 5.0
LOST_COMMAND = {"exit_code": 137, "output": ""}
EXEC_FAILED = "failed to exec in container: OCI runtime exec failed: exec failed: unable to start container process: "
TROUBLE = (ApiError, aiohttp.ClientError, TimeoutError, ConnectionError)


class RunningCommand(NamedTuple):
    """``name`` is the runtime's; ``ended`` becomes the process as the runtime describes it."""

    name: str
    ended: asyncio.Future[Process]


class NodeServices:
    """Made once by the agent."""

    def __init__(self, home: Home, client: Client, runtime: RuntimeClient) -> None:
        self.home = home
        self.client = client
        self.runtime = runtime
        self.addresses = PodAddresses()
        self.pods = Informer(client, PODS, field_selector=f"spec.nodeName={NODE_NAME}")
        self.services = Informer(client, SERVICES)
        self.slices = Informer(client, ENDPOINT_SLICES)
        self.config_maps = Informer(client, CONFIG_MAPS)
        self.secrets = Informer(client, SECRETS)
        self.commands: dict[str, asyncio.Future[Process]] = {}
        self._recorder = EventRecorder(client, "kubelet", NODE_NAME)
        self._events: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    # --- events

    def event(self, pod: Object, kind: str, reason: str, message: str, field_path: str = "") -> None:
        """Tell about a pod, in the order of the calls for it, without waiting."""
        self._events.put_nowait((PODS, pod, kind, reason, message, field_path))

    async def write_events(self) -> None:
        while True:
            await self._recorder.event(*await self._events.get())

    # --- ConfigMaps and Secrets

    async def find(self, kind: str, where: str, name: str) -> Object | None:
        """A ConfigMap or Secret; asks the API server for one that the watch has not brought yet."""
        informer = self.config_maps if kind == "ConfigMap" else self.secrets
        found = informer.items.get(join_key(where, name))
        if found is None:
            try:
                found = await self.client.get(informer.resource, name, where)
            except ApiError as error:
                if error.code != 404:
                    raise
                return None
        return {**found, "kind": kind}

    async def texts(self, pod: Object, container: Object) -> dict[tuple[str, str], Mapping[str, str]]:
        """The data of every ConfigMap and Secret that the container's variables name."""
        found: dict[tuple[str, str], Mapping[str, str]] = {}
        for kind, name in _variable_sources(container):
            obj = await self.find(kind, namespace(pod), name)
            if obj is not None:
                data = obj.get("data") or {}
                found[kind, name] = data if kind == "ConfigMap" else _decoded(data)
        return found

    # --- Services

    def services_for(self, pod: Object) -> list[Object]:
        """Those that the pod's variables tell of: its namespace's and the API server's."""
        return [
            service
            for service_key, service in self.services.items.items()
            if namespace(service) == namespace(pod) or service_key == "default/kubernetes"
        ]

    def write_service_names(self, *_: object) -> None:
        """Keep the file up to date in which pods look names up."""
        names = {key(service): self._addresses_of(service) for service in self.services.items.values()}
        file = self.home.run_dir / "services.json"
        unfinished = file.with_name("services.json.new")
        unfinished.write_text(json.dumps({name: found for name, found in names.items() if found}))
        unfinished.replace(file)

    def _addresses_of(self, service: Object) -> list[str]:
        address = service["spec"].get("clusterIP")
        if address and address != "None":
            return [address]
        return [
            found
            for each in self.slices.items.values()
            if (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service["metadata"]["name"]
            and namespace(each) == namespace(service)
            for endpoint in each.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready", True)
            for found in endpoint["addresses"]
        ]

    # --- commands inside containers

    async def execute(self, settings: ContainerSettings, command: list[str], seconds: float) -> Executed:
        """Run a command as a container's own; when it takes too long it is ended (pkg/kubelet/cri, ExecSync)."""
        settings = {**settings, "argv": command}
        failure = start_failure(settings)
        if failure:
            return Executed(None, EXEC_FAILED + failure)
        async with self.command(settings) as running:
            try:
                process = await asyncio.wait_for(asyncio.shield(running.ended), seconds)
            except TimeoutError:
                return Executed(1, f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s')
        return Executed(process["exit_code"], process["output"])

    @contextlib.asynccontextmanager
    async def command(
        self, settings: ContainerSettings, streams: list[str] | None = None
    ) -> AsyncIterator[RunningCommand]:
        """A command in a container, connected to ``streams`` as the runtime takes them; it is ended on leaving."""
        running = RunningCommand(f"command-{uuid.uuid4().hex}", asyncio.get_running_loop().create_future())
        self.commands[running.name] = running.ended
        try:
            await self.runtime.start(running.name, {"command": True}, settings, None, streams)
            yield running
        finally:
            if not running.ended.done():
                with contextlib.suppress(RuntimeUnavailable, TimeoutError):
                    await self.runtime.kill(running.name)
                    await asyncio.wait_for(asyncio.shield(running.ended), KILLED_SECONDS)
            self.commands.pop(running.name, None)
            await self.forget([running.name])

    async def forget(self, processes: list[str]) -> None:
        """The runtime need not remember these; nor is it a loss when there is none."""
        with contextlib.suppress(RuntimeUnavailable):
            await self.runtime.forget(processes)

    async def review_commands(self, processes: list[Process]) -> None:
        """The runtime lists what it has: what it lost has ended, what an earlier kubelet began is to end."""
        known = {process["id"]: process for process in processes}
        for name in self.commands.keys() - known.keys():
            self.command_ended({"id": name, **LOST_COMMAND})
        for process in processes:
            if "command" in process["meta"] and process["id"] not in self.commands:
                with contextlib.suppress(RuntimeUnavailable):
                    await self.runtime.kill(process["id"])
                await self.forget([process["id"]])

    def command_ended(self, process: Process) -> None:
        waiting = self.commands.get(process["id"])
        if waiting and not waiting.done():
            waiting.set_result(process)


def _variable_sources(container: Object) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for source in container.get("envFrom") or []:
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in source:
                found.add((kind, source[field]["name"]))
    for variable in container.get("env") or []:
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if field in (variable.get("valueFrom") or {}):
                found.add((kind, variable["valueFrom"][field]["name"]))
    return found


def _decoded(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
