"""Events are kept for an hour, as a real API server's --event-ttl has it."""

from __future__ import annotations

from datetime import UTC, datetime

from pocket_cluster.api.objects import Object, name, namespace, parse_time
from pocket_cluster.api.resources import EVENTS
from pocket_cluster.controllers.controller import Controller, ignore_missing

LIFETIME_SECONDS = 3600.0
SWEEP_SECONDS = 300.0
SWEEP = "sweep"


class EventTtlController(Controller):
    """Lists now and then instead of watching: events are many and nobody waits for their end."""

    name = "event-ttl"
    workers = 1

    async def run(self) -> None:
        self.queue.add(SWEEP)
        await super().run()

    async def reconcile(self, key: str) -> None:
        for event in (await self.client.list(EVENTS)).items:
            if _age(event) > LIFETIME_SECONDS:
                await ignore_missing(self.client.delete(EVENTS, name(event), namespace(event)))
        self.queue.add_after(key, SWEEP_SECONDS)


def _age(event: Object) -> float:
    last = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return (datetime.now(UTC) - parse_time(last)).total_seconds()
