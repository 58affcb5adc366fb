"""Requests that read an object in order to change it: one after the other, each on the newest state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.store import Entry, Store, Superseded

TRIES = 100
Found = TypeVar("Found")


async def on_the_newest(store: Store, target: Target, attempt: Callable[[str, Entry], Awaitable[Found]]) -> Found:
    """What ``attempt`` makes of the object's key and state, tried again when somebody else was faster.

    Raises NotFound, and Conflict when others are faster again and again.
    """
    collection, key = target.kind.collection, target.kind.key(target.namespace, target.name or "")
    for _ in range(TRIES):
        async with store.turn(collection, key):
            current = store.get(collection, key)
            if current is None:
                raise errors.not_found(target.kind.resource, target.name or "")
            with suppress(Superseded):
                return await attempt(key, current)
    raise errors.modified(target.kind.resource, target.name or "")
