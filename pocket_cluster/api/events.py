"""Events: what a component tells people about an object (client-go, tools/record)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import NamedTuple

import aiohttp

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.event_correlation import Correlator
from pocket_cluster.api.objects import Object, name, namespace, now, resource_version, uid
from pocket_cluster.api.resources import EVENTS, Resource

logger = logging.getLogger(__name__)

REMEMBERED = 1024


class Written(NamedTuple):
    """An Event that may have to be counted up."""

    name: str
    namespace: str
    times: int


class EventRecorder:
    """Writes Events; the same event again raises the count of the first, and many similar ones share one."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._source = {"component": component} | ({"host": host} if host else {})
        self._known: OrderedDict[tuple[str, ...], Written] = OrderedDict()
        self._correlator = Correlator()

    async def event(
        self, resource: Resource, obj: Object, kind: str, reason: str, message: str, field_path: str = ""
    ) -> None:
        """Tell that something happened to ``obj``; ``kind`` is Normal or Warning. Trouble is logged, never raised."""
        told = self._correlator.correlate(uid(obj), (kind, reason), message)
        if told is None:
            return
        involved, place = _reference(resource, obj, field_path), (*told.key, field_path)
        known, event = self._known.get(place), None
        try:
            if known:
                event = await self._repeat(known, told.message)
            if event is None:
                event = await self._first(involved, kind, reason, told.message)
        except (ApiError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            logger.info("event %s of %s was not recorded: %s", reason, name(obj), error)
            return
        self._remember(place, Written(name(event), namespace(event), event["count"]))

    async def _first(self, involved: Object, kind: str, reason: str, message: str) -> Object:
        moment = now()
        where = involved.get("namespace") or "default"
        event = {
            "metadata": {"name": f"{involved['name']}.{time.time_ns():x}", "namespace": where},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "type": kind,
        }
        return await self._client.create(EVENTS, event, where)

    async def _repeat(self, known: Written, message: str) -> Object | None:
        """The Event after it was counted up; None when it is no longer there."""
        change = {"count": known.times + 1, "lastTimestamp": now(), "message": message}
        try:
            return await self._client.patch(EVENTS, known.name, change, known.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def _remember(self, key: tuple[str, ...], event: Written) -> None:
        self._known[key] = event
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class EventQueue:
    """Events that are written in the background, in order: nobody's work waits for them."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder
        self._untold: asyncio.Queue[tuple[Resource, Object, str, str, str]] = asyncio.Queue()

    def tell(self, resource: Resource, obj: Object, kind: str, reason: str, message: str) -> None:
        """Record soon that something happened to ``obj``; ``kind`` is Normal or Warning."""
        self._untold.put_nowait((resource, obj, kind, reason, message))

    async def run(self) -> None:
        """Write what is told, for ever."""
        while True:
            await self._recorder.event(*await self._untold.get())


def _reference(resource: Resource, obj: Object, field_path: str) -> Object:
    reference = {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "name": name(obj),
        "namespace": namespace(obj),
        "uid": uid(obj),
        "resourceVersion": resource_version(obj),
        "fieldPath": field_path,
    }
    return {field: value for field, value in reference.items() if value}
