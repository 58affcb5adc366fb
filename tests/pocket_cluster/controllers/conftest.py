"""A control plane in this process: the API server, the controllers, the scheduler, and a kubelet that only pretends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eventually import DEADLINE_SECONDS, eventually_async

from pocket_cluster import apiserver, certificates, controllers, scheduler
from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, annotations_of, is_being_deleted, name, namespace, now, uid
from pocket_cluster.api.resources import NODES, PODS, Resource
from pocket_cluster.home import Home

NODE = "pocket"


class ControlPlane:
    """What a test sees: a client, and waiting."""

    def __init__(self, client: Client, informers: dict[Resource, Informer]) -> None:
        self.client = client
        self._informers = informers
        self._changed = asyncio.Event()
        for informer in informers.values():
            informer.add_handler(lambda *_: self._changed.set())

    def items(self, resource: Resource, where: str = "default") -> list[Object]:
        return list(self._informers[resource].by_namespace(where))

    def all_ever(self, resource: Resource) -> set[str]:
        """A set that the UIDs of the resource's objects are added to as they appear."""
        seen: set[str] = set()
        self._informers[resource].add_handler(lambda _, obj, __: seen.add(uid(obj)))
        return seen

    async def create(self, resource: Resource, obj: Object) -> Object:
        return self._seen(resource, await self.client.create(resource, obj))

    async def patch(self, resource: Resource, name: str, body: Object, where: str | None = "default") -> Object:
        return self._seen(resource, await self.client.patch(resource, name, body, where, kind="strategic"))

    def _seen(self, resource: Resource, written: Object) -> Object:
        """Nothing that a test waits for may be older than what it wrote."""
        if resource in self._informers:
            self._informers[resource].remember(written)
        return written

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition on what the watches show; ``what`` is said when the deadline passes."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (found := condition()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"in {DEADLINE_SECONDS:.0f} s it did not come to this: {what}. Seen last: {self._in_short()}"
            ) from None
        return found

    def _in_short(self) -> str:
        """What there is: names and states."""
        return "\n".join(
            f"{resource.plural} {obj['metadata']['name']}: {json.dumps(obj.get('status', {}))}"
            for resource, informer in self._informers.items()
            for obj in informer.items.values()
        )


class PretendedKubelet:
    """Pods that it is given run and are ready at once, unless their annotation ``test/state`` says otherwise."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pods = Informer(client, PODS)
        self._pods.add_handler(self._changed)
        self._work: set[asyncio.Task[None]] = set()
        self._addresses = iter(f"10.244.0.{number}" for number in range(2, 250))

    async def run(self) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now(), "lastHeartbeatTime": now()}
        allocatable = {"cpu": "2", "memory": "4Gi", "pods": "110"}
        labels = {"kubernetes.io/hostname": NODE}
        await self._client.create(NODES, {"metadata": {"name": NODE, "labels": labels}})
        status = {"conditions": [ready], "allocatable": allocatable, "capacity": allocatable}
        await self._client.patch(NODES, NODE, {"status": status}, subresource="status")
        await self._pods.run()

    def _changed(self, event: str, pod: Object, _: Object | None) -> None:
        if event == "DELETED" or not pod["spec"].get("nodeName"):
            return
        state = annotations_of(pod).get("test/state", "ready")
        if is_being_deleted(pod) and state != "lingers":
            self._do(self._client.delete(PODS, name(pod), namespace(pod), grace_period=0))
        elif not is_being_deleted(pod) and pod["status"]["phase"] == "Pending":
            self._do(self._run_pod(pod, is_ready=state != "unready"))

    async def _run_pod(self, pod: Object, is_ready: bool) -> None:
        ready = {"type": "Ready", "status": str(is_ready), "lastProbeTime": None, "lastTransitionTime": now()}
        address = next(self._addresses)
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
        await self._client.patch(PODS, name(pod), {"status": status}, namespace(pod), "status", "strategic")

    def _do(self, call: Awaitable[Any]) -> None:
        async def ignoring_what_is_gone() -> None:
            try:
                await call
            except ApiError as error:
                if error.code not in (404, 409):
                    raise

        task = asyncio.ensure_future(ignoring_what_is_gone())
        self._work.add(task)
        task.add_done_callback(self._work.discard)


@asynccontextmanager
async def control_plane(folder: Path, *watched: Resource) -> AsyncIterator[ControlPlane]:
    home = Home(folder)
    home.make_folders()
    certificates.ensure(home.path)
    home.keep_address_block(1)
    home.prepare()
    stop, tasks = asyncio.Event(), []
    tasks.append(asyncio.ensure_future(apiserver.run(home, stop)))
    await eventually_async(lambda: _answers(home), "the API server answers")
    async with Client(home.credentials("admin"), "test") as client, Client(home.credentials("admin"), "k") as another:
        informers = {resource: Informer(client, resource) for resource in watched}
        plane = ControlPlane(client, informers)
        endless = [controllers.run(home, stop), scheduler.run(home, stop), PretendedKubelet(another).run()]
        tasks += [asyncio.ensure_future(each) for each in (*endless, *(each.run() for each in informers.values()))]
        try:
            await asyncio.gather(*(each.wait_synced() for each in informers.values()))
            yield plane
        finally:
            stop.set()
            for task in tasks[3:]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _answers(home: Home) -> bool:
    try:
        await (await asyncio.open_connection("127.0.0.1", home.api_port))[1].drain()
    except OSError:
        return False
    return True


@pytest.fixture
def in_cluster(tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine function with a control plane whose informers follow the resources that are named."""

    def run(story: Callable[[ControlPlane], Awaitable[None]], *watched: Resource) -> None:
        async def with_deadline() -> None:
            async with asyncio.timeout(2 * DEADLINE_SECONDS), control_plane(tmp_path / "home", *watched) as plane:
                await story(plane)

        asyncio.run(with_deadline())

    return run
