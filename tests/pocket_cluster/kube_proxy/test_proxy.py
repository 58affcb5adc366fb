"""Listeners follow Services, EndpointSlices and settings, and connections that stand are left alone."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from claimed_port import claimed_port
from eventually import eventually_async
from leaping_loop import leap, run_leaping

from pocket_cluster.addresses import AddressRange, BlockClaim, system_has_one_address
from pocket_cluster.api.client import ObjectList, WatchEvent
from pocket_cluster.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, EVENTS, SERVICES
from pocket_cluster.kube_proxy import proxy as module
from pocket_cluster.kube_proxy.proxy import Proxy

PORT, CLUSTER_ADDRESS = 3000, "10.96.0.10"


class Api:
    """As much of an API server as kube-proxy needs: lists, watches, and events that are written down."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {"services": {}, "endpointslices": {}, "configmaps": {}}
        self.events: list[dict[str, Any]] = []
        self._watchers: dict[str, asyncio.Queue[WatchEvent]] = {}
        self._version = 1

    async def list(self, resource, *scope) -> ObjectList:
        self._watchers[resource.plural] = asyncio.Queue()
        return ObjectList(list(self.objects[resource.plural].values()), str(self._version))

    async def watch(self, resource, version, *scope) -> AsyncIterator[WatchEvent]:
        while True:
            yield await self._watchers[resource.plural].get()

    async def create(self, resource, obj, namespace=None):
        assert resource is EVENTS
        self.events.append(obj)
        return obj

    async def patch(self, resource, name, change, namespace):
        assert resource is CONFIG_MAPS
        known = self.objects[resource.plural][name]
        self.put(resource, name, namespace, metadata=change["metadata"], data=known["data"])
        return self.objects[resource.plural][name]

    def put(self, resource, name, namespace="default", **fields) -> None:
        self._version += 1
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": str(self._version)}
        obj = {"metadata": metadata | fields.pop("metadata", {}), **fields}
        kind = "MODIFIED" if name in self.objects[resource.plural] else "ADDED"
        self.objects[resource.plural][name] = obj
        self._tell(resource, kind, obj)

    def remove(self, resource, name) -> None:
        self._version += 1
        obj = self.objects[resource.plural].pop(name)
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._tell(resource, "DELETED", obj)

    def _tell(self, resource, kind, obj) -> None:
        if resource.plural in self._watchers:
            self._watchers[resource.plural].put_nowait(WatchEvent(kind, obj))

    # --- the course's objects

    def service(self, node_port: int, name="web", **spec) -> None:
        ports = [{"port": PORT, "nodePort": node_port, "protocol": "TCP"}]
        self.put(SERVICES, name, spec={"type": "NodePort", "clusterIP": CLUSTER_ADDRESS, "ports": ports, **spec})

    def endpoints(self, *addresses: str, node: str = "pocket") -> None:
        self.put(
            ENDPOINT_SLICES,
            "web-1",
            metadata={"labels": {"kubernetes.io/service-name": "web"}},
            ports=[{"name": "", "port": PORT, "protocol": "TCP"}],
            endpoints=[{"addresses": [each], "nodeName": node, "conditions": {"ready": True}} for each in addresses],
        )

    def mode(self, mode: str) -> None:
        self.put(CONFIG_MAPS, "kube-proxy", "kube-system", data={"mode": mode})

    def pace(self, seconds: str) -> None:
        self.put(CONFIG_MAPS, "kube-proxy", "kube-system", data={"mode": "random", "minSyncPeriod": seconds})

    def in_use(self, what: str) -> str | None:
        annotations = self.objects["configmaps"]["kube-proxy"]["metadata"].get("annotations", {})
        return annotations.get(f"kube-proxy/{what}-in-use")


# Where a machine has one address only, pods differ by port; elsewhere both ways are tested.
WAYS = ["one address"] if system_has_one_address() else ["one address", "an address each"]


@pytest.fixture(params=WAYS)
def addresses(request, tmp_path):
    claim = BlockClaim(None)
    yield AddressRange(claim.block, tmp_path / "ports.json" if request.param == "one address" else None)
    claim.release()


@pytest.fixture
def free_port():
    with claimed_port() as port:
        yield port


@contextlib.asynccontextmanager
async def cluster(addresses, mode="round-robin", api=None):
    """A proxy that runs against an API, and two pods, 10.244.0.1 and 10.244.0.2, that say their address on request."""
    api = api or Api()
    pods = [await start_pod(addresses, f"10.244.0.{number}") for number in (1, 2)]
    proxy = Proxy(api, addresses, "pocket", mode)
    work = [asyncio.ensure_future(each.run()) for each in (proxy.services, proxy.slices, proxy.settings, proxy)]
    try:
        yield api
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        proxy.close()
        for pod in pods:
            pod.close()


async def start_pod(addresses, address):
    async def answer(reader, writer):
        while await reader.read(100):
            writer.write(address.encode())
        writer.close()

    return await asyncio.start_server(answer, *addresses.to_local_socket((address, PORT)))


async def served_by(address, local: str | None = None) -> str:
    """Who answers a new connection."""
    reader, writer = await asyncio.open_connection(*address, local_addr=(local, 0) if local else None)
    try:
        writer.write(b"who?")
        return (await reader.read(100)).decode()
    finally:
        writer.close()


async def until_served(address, wanted=None) -> str:
    """Connect until somebody (or ``wanted``) answers."""

    async def answer() -> str | None:
        with contextlib.suppress(ConnectionError):
            return await served_by(address)
        return None

    wants = f"{wanted or 'somebody'} answers at {address}"
    return await eventually_async(answer, wants, so=lambda found: found is not None and wanted in (None, found))


async def until_refused(address) -> None:
    async def is_refused() -> bool:
        try:
            _, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await eventually_async(is_refused, f"{address} refuses")


def test_node_port_and_cluster_address_answer_once_there_are_endpoints_and_refuse_when_there_are_none(
    run, addresses, free_port
):
    async def scenario():
        node_port, inside = ("127.0.0.1", free_port), addresses.to_local_socket((CLUSTER_ADDRESS, PORT))
        async with cluster(addresses) as api:
            api.service(free_port)
            api.endpoints()
            await until_refused(node_port)
            api.endpoints("10.244.0.1")
            assert await until_served(node_port) == "10.244.0.1"
            assert await until_served(inside) == "10.244.0.1"
            api.endpoints()
            await until_refused(node_port)
            await until_refused(inside)
            api.endpoints("10.244.0.2")
            assert await until_served(node_port) == "10.244.0.2"
            api.remove(SERVICES, "web")
            await until_refused(node_port)

    run(scenario())


def test_a_connection_stays_with_its_pod_when_the_endpoints_change_and_when_the_service_goes(run, addresses, free_port):
    async def scenario():
        address = ("127.0.0.1", free_port)
        async with cluster(addresses) as api:
            api.service(free_port)
            api.endpoints("10.244.0.1")
            await until_served(address)
            reader, writer = await asyncio.open_connection(*address)
            for change in (lambda: api.endpoints("10.244.0.2"), lambda: api.remove(SERVICES, "web")):
                change()
                await (until_served(address, "10.244.0.2") if api.objects["services"] else until_refused(address))
                writer.write(b"still there?")
                assert await reader.read(100) == b"10.244.0.1"
            writer.close()

    run(scenario())


def test_the_mode_follows_the_config_map(run, addresses, free_port):
    async def scenario():
        address = ("127.0.0.1", free_port)
        async with cluster(addresses, mode="random") as api:
            api.service(free_port)
            api.endpoints("10.244.0.1", "10.244.0.2")
            await until_served(address)
            at_random = [await served_by(address) for _ in range(60)]
            api.mode("ipvs")
            await eventually_async(lambda: api.in_use("mode"), "turns", so=lambda mode: mode == "round-robin")
            in_turns = [await served_by(address) for _ in range(60)]
            api.mode("nonsense")
            await eventually_async(lambda: api.events, "an event")
            return at_random, in_turns, api.events[0]

    at_random, in_turns, event = run(scenario())
    assert any(a == b for a, b in itertools.pairwise(at_random))
    assert not any(a == b for a, b in itertools.pairwise(in_turns))
    assert event["type"] == "Warning"
    assert event["involvedObject"]["name"] == "kube-proxy"
    assert event["message"].startswith("The mode 'nonsense' is not known; round-robin stays. Known are random, ")


def test_changes_that_follow_each_other_wait_for_the_pace_and_the_first_one_does_not(addresses, free_port):
    async def scenario():
        address, api = ("127.0.0.1", free_port), Api()
        api.service(free_port)
        api.endpoints("10.244.0.1")
        api.pace("1000s")
        async with cluster(addresses, api=api):
            await until_served(address, "10.244.0.1")
            await eventually_async(lambda: api.in_use("min-sync-period"), "a pace", so=lambda pace: pace == "1000s")
            api.endpoints("10.244.0.2")
            leap(900)
            early = [await served_by(address) for _ in range(20)]
            leap(101)
            await until_served(address, "10.244.0.2")
            api.pace("often")
            await eventually_async(lambda: api.events, "an event")
            return early, api.events[0]["message"]

    early, message = run_leaping(scenario())
    assert set(early) == {"10.244.0.1"}
    assert message == "minSyncPeriod 'often' is not understood; 1000s stays. Write seconds, such as 1s."


def test_affinity_keeps_a_client_by_its_address(run, addresses, free_port):
    async def scenario():
        address = ("127.0.0.1", free_port)
        async with cluster(addresses) as api:
            api.service(free_port, sessionAffinity="ClientIP")
            api.endpoints("10.244.0.1", "10.244.0.2")
            await until_served(address)
            browser = {await served_by(address) for _ in range(5)}
            pod = {await served_by(address, addresses.to_local("10.244.0.9")) for _ in range(5)}
            return browser, pod

    pod = "10.244.0.1" if addresses.single else "10.244.0.2"  # with one address all clients are the same
    assert run(scenario()) == ({"10.244.0.1"}, {pod})


def test_a_node_port_that_another_program_holds_is_told_once_and_taken_when_it_is_free(
    run, addresses, free_port, monkeypatch
):
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    tries, listen = [], Proxy._listen
    monkeypatch.setattr(Proxy, "_listen", lambda *arguments: (tries.append(arguments), listen(*arguments))[1])

    async def scenario():
        address = ("127.0.0.1", free_port)
        async with cluster(addresses) as api:
            with socket.create_server(address):
                api.service(free_port)
                api.endpoints("10.244.0.1")
                await until_served(addresses.to_local_socket((CLUSTER_ADDRESS, PORT)))
                await eventually_async(lambda: api.events, "an event")
                told_at = len(tries)
                await eventually_async(lambda: len(tries), "more tries", so=lambda number: number > told_at + 3)
            await until_served(address)
            return api.events

    [event] = run(scenario())
    assert (event["type"], event["reason"]) == ("Warning", "FailedToListen")
    assert event["involvedObject"]["name"] == "web"
    assert event["message"] == (
        f"Port {free_port} of 127.0.0.1 cannot be listened on: another program uses it. Stop that program, or give the"
        " Service another nodePort. Until then it is tried again every second."
    )


def test_udp_is_refused_with_one_event(run, addresses, free_port):
    async def scenario():
        async with cluster(addresses) as api:
            api.service(free_port, ports=[{"port": 53, "protocol": "UDP", "name": "dns"}])
            await eventually_async(lambda: api.events, "an event")
            tcp = {"port": PORT, "nodePort": free_port, "name": ""}
            api.service(free_port, ports=[{"port": 53, "protocol": "UDP", "name": "dns"}, tcp])
            api.endpoints("10.244.0.1")
            await until_served(("127.0.0.1", free_port))
            return api.events

    [event] = run(scenario())
    assert event["message"] == "Only TCP is carried by this cluster: the Service's UDP ports do not answer."


def test_a_policy_that_allows_no_endpoint_drops_what_comes_and_the_visitor_hears_nothing(run, addresses, free_port):
    async def scenario():
        inside = addresses.to_local_socket((CLUSTER_ADDRESS, PORT))
        async with cluster(addresses) as api:
            api.service(free_port, internalTrafficPolicy="Local")
            api.endpoints("10.244.0.1", node="elsewhere")
            assert await until_served(("127.0.0.1", free_port)) == "10.244.0.1"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(served_by(inside), 0.3)

    run(scenario())


def test_the_service_kubernetes_leads_to_the_api_server(run, addresses):
    async def scenario():
        async def answer(reader, writer):
            await reader.read(100)
            writer.write(b"the API server")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with cluster(addresses) as api:
            ports = [{"name": "https", "port": 443}]
            api.put(SERVICES, "kubernetes", spec={"type": "ClusterIP", "clusterIP": "10.96.0.1", "ports": ports})
            api.put(
                ENDPOINT_SLICES,
                "kubernetes",
                metadata={"labels": {"kubernetes.io/service-name": "kubernetes"}},
                ports=[{"name": "https", "port": server.sockets[0].getsockname()[1]}],
                endpoints=[{"addresses": ["10.244.127.1"], "conditions": {"ready": True}}],
            )
            found = await until_served(addresses.to_local_socket(("10.96.0.1", 443)))
        server.close()
        return found

    assert run(scenario()) == "the API server"
