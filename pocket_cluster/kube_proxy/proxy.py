"""Listeners that follow the API: one for each address of each Service that has endpoints."""

from __future__ import annotations

import asyncio
import errno
import logging
import time

from pocket_cluster.addresses import AddressRange
from pocket_cluster.api.client import Client
from pocket_cluster.api.events import EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, key
from pocket_cluster.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES
from pocket_cluster.kube_proxy.choose import MODES, Memory, choose, usable
from pocket_cluster.kube_proxy.relay import Visitor
from pocket_cluster.kube_proxy.services import Address, ServicePort, carries_udp, service_ports

logger = logging.getLogger("pocket_cluster.kube-proxy")

SETTINGS = "kube-system/kube-proxy"
RETRY_SECONDS = 1.0
BACKLOG = 4096


class Proxy:
    """Keeps the listeners as Services and EndpointSlices want them."""

    def __init__(self, client: Client, addresses: AddressRange, mode: str) -> None:
        self._addresses = addresses
        self._first_mode = self._mode = mode
        self._recorder = EventRecorder(client, "kube-proxy")
        self.services, self.slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
        self.settings = Informer(client, CONFIG_MAPS, "kube-system", field_selector="metadata.name=kube-proxy")
        for informer in (self.services, self.slices, self.settings):
            informer.add_handler(lambda *_: self._changed.set())
        self._changed = asyncio.Event()
        self._ports: dict[tuple[str, str], ServicePort] = {}
        self._memories: dict[tuple[str, str], Memory] = {}
        self._listeners: dict[Address, tuple[tuple[str, str], asyncio.Server]] = {}
        self._told: set[tuple[str, ...]] = set()

    async def run(self) -> None:
        """Follow the API for ever."""
        await asyncio.gather(self.services.wait_synced(), self.slices.wait_synced(), self.settings.wait_synced())
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._update()

    def close(self) -> None:
        for _, server in self._listeners.values():
            server.close()

    async def _update(self) -> None:
        self._mode = self._wanted_mode()
        ports = service_ports(self.services.items.values(), self.slices.items.values())
        self._ports = {port.identity: port for port in ports}
        self._memories = {each: self._memories.get(each, Memory()) for each in self._ports}
        wanted = {
            self._addresses.to_local_socket(shown): port.identity
            for port in ports
            if usable(port.endpoints)
            for shown in port.listen
        }
        for address in [each for each, (who, _) in self._listeners.items() if wanted.get(each) != who]:
            self._listeners.pop(address)[1].close()
        for address, identity in wanted.items():
            if address not in self._listeners:
                await self._listen(address, identity)
        await self._tell_of_udp()

    def _wanted_mode(self) -> str:
        asked = ((self.settings.items.get(SETTINGS) or {}).get("data") or {}).get("mode", self._first_mode)
        if asked in MODES:
            return str(asked)
        logger.warning("mode %r is not known, only %s; keeping %s", asked, " and ".join(MODES), self._mode)
        return self._mode

    async def _listen(self, address: Address, identity: tuple[str, str]) -> None:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: Visitor(lambda client: self._choose(identity, client)), *address, backlog=BACKLOG
            )
        except OSError as error:
            await self._report_taken(address, identity, error)
            return
        self._listeners[address] = (identity, server)

    def _choose(self, identity: tuple[str, str], client: str) -> Address | None:
        port = self._ports.get(identity)
        if port is None:
            return None
        memory = self._memories[identity]
        chosen = choose(port.endpoints, client, memory, self._mode, port.affinity_seconds, now=time.monotonic())
        return self._addresses.to_local_socket((chosen.address, chosen.port)) if chosen else None

    # --- what people are told

    async def _report_taken(self, address: Address, identity: tuple[str, str], error: OSError) -> None:
        """Say on the Service that its port is taken, and try again until it is free."""
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._changed.set)
        host, number = address
        why = "another program uses it" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        message = (
            f"Port {number} of {host} cannot be listened on: {why}. Stop that program,"
            " or give the Service another nodePort."
        )
        await self._tell(self.services.items.get(identity[0]), "FailedToListen", message)

    async def _tell_of_udp(self) -> None:
        for service in list(self.services.items.values()):
            if carries_udp(service):
                await self._tell(service, "ProtocolNotCarried", "Only TCP ports are carried by this cluster.")

    async def _tell(self, service: Object | None, reason: str, message: str) -> None:
        if service is None or (key(service), service["metadata"]["uid"], message) in self._told:
            return
        self._told.add((key(service), service["metadata"]["uid"], message))
        await self._recorder.event(SERVICES, service, "Warning", reason, message)
