"""Listeners that follow the API: one for each address of each Service that has endpoints."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import re
import time

import aiohttp

from pocket_cluster.addresses import AddressRange
from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.events import EventRecorder
from pocket_cluster.api.informer import Informer
from pocket_cluster.api.objects import Object, annotations_of, name, namespace, uid
from pocket_cluster.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, SERVICES, Resource
from pocket_cluster.kube_proxy.choose import MODES, RANDOM, Address, Memory, choose
from pocket_cluster.kube_proxy.relay import Visitor
from pocket_cluster.kube_proxy.services import Front, fronts, other_protocols

logger = logging.getLogger("pocket_cluster.kube-proxy")

SETTINGS = "kube-system/kube-proxy"
MODE_IN_USE = "kube-proxy/mode-in-use"
# How many seconds lie between two changes of the rules at least, as a learner writes it, and what is in use.
PACE = "minSyncPeriod"
PACE_IN_USE = "kube-proxy/min-sync-period-in-use"
RETRY_SECONDS = 1.0
BACKLOG = 4096


class Proxy:
    """Keeps the listeners as Services and EndpointSlices want them.

    Connections that were chosen a pod for stay with it, whatever changes afterwards. Changes are followed at once. When
    the ConfigMap says ``minSyncPeriod: 1s``, the default of the real one, the first of them is, and all that come
    within that time after it together (pkg/proxy/runner/bounded_frequency_runner.go).
    """

    def __init__(self, client: Client, addresses: AddressRange, node: str, mode: str) -> None:
        self._client, self._addresses, self._node = client, addresses, node
        self._first_mode = mode
        self._mode = MODES.get(mode, RANDOM)
        self._recorder = EventRecorder(client, "kube-proxy", node)
        self.services, self.slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
        self.settings = Informer(client, CONFIG_MAPS, "kube-system", field_selector="metadata.name=kube-proxy")
        self._changed, self._pace, self._synced_at = asyncio.Event(), 0.0, -math.inf
        for informer in (self.services, self.slices, self.settings):
            informer.add_handler(lambda *_: self._changed.set())
        self._fronts: dict[Address, Front] = {}  # by the address on this machine
        self._memories: dict[tuple[str, str], Memory] = {}
        self._listeners: dict[Address, asyncio.Server] = {}
        self._told: dict[str, set[str]] = {}  # by the uid of the object that it was about

    async def run(self) -> None:
        """Follow the API for ever."""
        await asyncio.gather(self.services.wait_synced(), self.slices.wait_synced(), self.settings.wait_synced())
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._follow_settings()
            await self._update_in_time()

    async def _update_in_time(self) -> None:
        """Follow the objects, or be woken again when the pace allows that."""
        loop = asyncio.get_running_loop()
        wait = self._synced_at + self._pace - loop.time()
        if wait > 0:
            loop.call_later(wait, self._changed.set)
            return
        self._synced_at = loop.time()
        await self._update()

    def close(self) -> None:
        """Stop listening. Connections under way end with the process."""
        for server in self._listeners.values():
            server.close()

    async def _update(self) -> None:
        self._follow_objects()
        for address in [each for each in self._listeners if each not in self._fronts]:
            self._listeners.pop(address).close()
        for address in [each for each in self._fronts if each not in self._listeners]:
            await self._listen(address)
        for service in list(self.services.items.values()):
            await self._tell_of_protocols(service)

    def _follow_objects(self) -> None:
        found = fronts(self.services.items.values(), self.slices.items.values(), self._node)
        self._fronts = {self._addresses.to_local_socket(front.address): front for front in found}
        self._memories = {front.identity: self._memories.get(front.identity, Memory()) for front in found}
        known = {"", *(uid(each) for informer in (self.services, self.settings) for each in informer.items.values())}
        self._told = {each: texts for each, texts in self._told.items() if each in known}

    async def _follow_settings(self) -> None:
        settings = self.settings.items.get(SETTINGS)
        data = (settings or {}).get("data") or {}
        await self._follow_mode(settings, data.get("mode", self._first_mode))
        await self._follow_pace(settings, data.get(PACE, "0s"))
        used = {MODE_IN_USE: self._mode, PACE_IN_USE: f"{self._pace:g}s"}
        if settings and not used.items() <= annotations_of(settings).items():
            await self._acknowledge(settings, used)

    async def _follow_pace(self, settings: Object | None, asked: str) -> None:
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)s", asked):
            self._pace = float(found[1])
        else:
            text = f"{PACE} {asked!r} is not understood; {self._pace:g}s stays. Write seconds, such as 1s."
            await self._tell(CONFIG_MAPS, settings, "UnknownMinSyncPeriod", text)

    async def _follow_mode(self, settings: Object | None, asked: str) -> None:
        mode = MODES.get(asked)
        if mode is None:
            known = ", ".join(MODES)
            text = f"The mode {asked!r} is not known; {self._mode} stays. Known are {known}."
            await self._tell(CONFIG_MAPS, settings, "UnknownMode", text)
        elif mode != self._mode:
            self._mode = mode
            logger.info("pods are now chosen in mode %s", mode)

    async def _acknowledge(self, settings: Object, used: dict[str, str]) -> None:
        """Say on the ConfigMap what is in use, so that whoever changed it can wait for that."""
        change = {"metadata": {"annotations": used}}
        try:
            await self._client.patch(CONFIG_MAPS, name(settings), change, namespace(settings))
        except (ApiError, aiohttp.ClientError) as error:
            logger.info("what is in use could not be noted: %s", error)

    async def _listen(self, address: Address) -> None:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: self._meet(address), *address, backlog=BACKLOG)
        except OSError as error:
            await self._report_taken(address, error)
            loop.call_later(RETRY_SECONDS, self._changed.set)
            return
        self._listeners[address] = server

    def _meet(self, address: Address) -> asyncio.Protocol:
        """What handles a new connection; a bare Protocol never answers, as a dropped packet gets no answer."""
        front = self._fronts.get(address)
        if front and front.drops:
            return asyncio.Protocol()
        return Visitor(lambda client: self._choose(address, client))

    def _choose(self, address: Address, client: str) -> Address | None:
        front = self._fronts.get(address)
        if front is None:
            return None
        memory = self._memories[front.identity]
        chosen = choose(front.endpoints, client, memory, self._mode, front.affinity_seconds, now=time.monotonic())
        return self._addresses.to_local_socket(chosen)

    # --- what people are told

    async def _report_taken(self, address: Address, error: OSError) -> None:
        host, number = address
        why = "another program uses it" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        text = (
            f"Port {number} of {host} cannot be listened on: {why}. Stop that program, or give the Service another"
            " nodePort. Until then it is tried again every second."
        )
        await self._tell(SERVICES, self.services.items.get(self._fronts[address].service), "FailedToListen", text)

    async def _tell_of_protocols(self, service: Object) -> None:
        for protocol in other_protocols(service):
            text = f"Only TCP is carried by this cluster: the Service's {protocol} ports do not answer."
            await self._tell(SERVICES, service, "ProtocolNotCarried", text)

    async def _tell(self, resource: Resource, about: Object | None, reason: str, text: str) -> None:
        """Warn on an object, or in the log when there is none; once for each text."""
        told = self._told.setdefault(uid(about) if about else "", set())
        if text in told:
            return
        told.add(text)
        if about:
            await self._recorder.event(resource, about, "Warning", reason, text)
        else:
            logger.warning("%s: %s", reason, text)
