"""The kubelet as a whole: a worker for each pod of this node, and what they share."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from pocket_cluster.api.client import Client
from pocket_cluster.api.informer import Handler
from pocket_cluster.api.objects import Object, key, namespace, uid
from pocket_cluster.api.tasks import run_until
from pocket_cluster.health import say_that_it_serves
from pocket_cluster.home import KUBERNETES_VERSION, Home
from pocket_cluster.kubelet.container_root import write_site
from pocket_cluster.kubelet.node import NodeReporter
from pocket_cluster.kubelet.node_services import EVENT_WRITERS, NodeServices
from pocket_cluster.kubelet.pod_worker import PodWorker
from pocket_cluster.kubelet.runtime import SOCKET
from pocket_cluster.kubelet.runtime_client import Process, RuntimeClient, RuntimeUnavailable
from pocket_cluster.kubelet.server import KubeletServer

logger = logging.getLogger("pocket_cluster.kubelet")


async def run_agent(home: Home, stop: asyncio.Event) -> None:
    """Run the pods of the node until ``stop`` is set; they go on when it ends."""
    async with Client(home.credentials("kubelet"), f"kubelet/{KUBERNETES_VERSION}") as client:
        agent = Agent(home, client)
        await agent.server.start()
        reporter = NodeReporter(home, client, agent.server.port)

        async def report() -> None:
            await asyncio.gather(reporter.register(), agent.began.wait())
            say_that_it_serves(home.run_dir, "kubelet")
            await reporter.keep_ready()

        try:
            await run_until(stop, agent.run(), report())
        finally:
            await agent.server.stop()


class Agent:
    """Hands out what happens, at the API server and in the runtime, to the workers."""

    def __init__(self, home: Home, client: Client) -> None:
        self.runtime = RuntimeClient(home.path / SOCKET, self._on_exit)
        write_site(home)
        self.services = NodeServices(home, client, self.runtime)
        self.server = KubeletServer(home, self._find)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._adoptable: dict[str, list[Process]] = {}
        self._connected = asyncio.Event()
        self.began = asyncio.Event()  # the runtime answers, and the node's pods are known

    async def run(self) -> None:
        services = self.services
        shared = (services.services, services.slices, services.config_maps, services.secrets)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.runtime.run(self._on_connect))
            for informer in shared:
                group.create_task(informer.run())
            for _ in range(EVENT_WRITERS):
                group.create_task(services.write_events())
            await asyncio.gather(self._connected.wait(), *(informer.wait_synced() for informer in shared))
            self._follow_shared()
            services.pods.add_handler(self._on_pod)
            group.create_task(services.pods.run())
            await services.pods.wait_synced()
            await self._end_orphans()
            self.began.set()

    def _follow_shared(self) -> None:
        services = self.services
        services.write_service_names()
        for informer in (services.services, services.slices):
            informer.add_handler(services.write_service_names)
        for informer, kind in ((services.config_maps, "ConfigMap"), (services.secrets, "Secret")):
            informer.add_handler(self._wake_readers(kind))

    def _find(self, pod: str) -> PodWorker | None:
        return next((worker for worker in self._workers.values() if key(worker.pod) == pod), None)

    # --- the API server

    def _on_pod(self, event: str, pod: Object, _: Object | None) -> None:
        worker = self._workers.get(uid(pod))
        if event == "DELETED":
            if worker:
                worker.remove()
        elif worker:
            worker.update(pod)
        else:
            self._begin(pod)

    def _begin(self, pod: Object) -> None:
        worker = PodWorker(self.services, pod)
        self._workers[uid(pod)] = worker
        address = (pod.get("status") or {}).get("podIP")
        if address:
            self.services.addresses.adopt(uid(pod), address)
        worker.adopt(self._adoptable.pop(uid(pod), []))
        task = asyncio.create_task(self._work(worker))
        self._tasks[uid(pod)] = task

    async def _work(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            logger.exception("the worker of pod %s failed", key(worker.pod))
        finally:
            self._workers.pop(uid(worker.pod), None)
            self._tasks.pop(uid(worker.pod), None)

    def _wake_readers(self, kind: str) -> Handler:
        def changed(_event: str, obj: Object, _old: Object | None) -> None:
            for worker in self._workers.values():
                if namespace(worker.pod) == namespace(obj):
                    worker.look_again(kind, key(obj))

        return changed

    # --- the runtime

    async def _on_connect(self, processes: list[Process]) -> None:
        """The runtime lists what it has: at the kubelet's start, and when a runtime was started again."""
        await self.services.review_commands(processes)
        by_pod: dict[str, list[Process]] = {}
        for process in processes:
            if "pod" in process["meta"]:
                by_pod.setdefault(process["meta"]["pod"], []).append(process)
        if not self._connected.is_set():
            self._adoptable = by_pod
            self._connected.set()
            return
        for worker in list(self._workers.values()):
            worker.adopt(by_pod.get(uid(worker.pod), []))

    def _on_exit(self, process: Process) -> None:
        worker = self._workers.get(process["meta"].get("pod", ""))
        if worker:
            worker.exited(process)
        else:
            self.services.command_ended(process)

    async def _end_orphans(self) -> None:
        """End what runs for pods that the API server does not know any more."""
        for process in [process for processes in self._adoptable.values() for process in processes]:
            with contextlib.suppress(RuntimeUnavailable):
                await self.runtime.kill(process["id"])
        self._adoptable = {}
