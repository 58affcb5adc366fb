"""Events are kept for an hour, as the real API server's --event-ttl has it, and of too many the newest."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pocket_cluster.api.objects import Object, parse_time
from pocket_cluster.api.resources import EVENTS
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.store import Entry, Store, Superseded

logger = logging.getLogger("pocket_cluster.apiserver")

LIFETIME = timedelta(hours=1)
SWEEP_SECONDS = 60.0
MOST_EVENTS = 3000


async def forget_old_events(store: Store) -> None:
    """Delete Events that are too old or too many, for ever."""
    collection = BY_RESOURCE[EVENTS].collection
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            for key, entry in list(outlived(store.items(collection), datetime.now(UTC))):
                with suppress(Superseded):  # it has happened again just now
                    await store.delete(collection, key, entry.revision, copy.deepcopy(entry.object))
        except Exception:
            logger.exception("old Events are kept for now")


def outlived(events: Iterator[tuple[str, Entry]], now: datetime) -> Iterator[tuple[str, Entry]]:
    """Those that were last seen more than an hour ago, and of the others those beyond the newest ``MOST_EVENTS``."""
    newest_first = sorted(((_last_seen(entry.object), key, entry) for key, entry in events), reverse=True)
    for number, (moment, key, entry) in enumerate(newest_first):
        if number >= MOST_EVENTS or now - moment > LIFETIME:
            yield key, entry


def _last_seen(event: Object) -> datetime:
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    try:
        return parse_time(text)
    except ValueError:  # written by an earlier release: the oldest of all
        return datetime.min.replace(tzinfo=UTC)
