"""What a watch tells at the moments when it ends or marks how far it has come: nothing is passed over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pocket_cluster.apiserver import store as storage
from pocket_cluster.apiserver import watching
from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.negotiation import Accept
from pocket_cluster.apiserver.request import parse_path
from pocket_cluster.apiserver.store import Store

CONFIG_MAPS = parse_path("/api/v1/namespaces/default/configmaps")
QUERY = {"allowWatchBookmarks": "true", "resourceVersion": "0", "timeoutSeconds": "5"}


def a_config_map(number: int) -> dict[str, Any]:
    return {"metadata": {"name": str(number), "namespace": "default"}, "data": {}}


async def told(stream: AsyncIterator[bytes]) -> list[tuple[str, int]]:
    """Kind and revision of each event of a watch, until it ends."""
    events = [json.loads(line) async for piece in stream for line in piece.splitlines()]
    return [(event["type"], int(event["object"]["metadata"]["resourceVersion"])) for event in events]


@pytest.mark.parametrize("meanwhile", [1, storage.LONGEST_LAG + 1])
def test_a_bookmark_tells_only_of_what_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: int
) -> None:
    """Who goes on from a bookmark never hears of what came before it: on a busy machine a wait runs out, an object
    changes and the watch ends in one turn of the event loop."""

    async def steps() -> tuple[list[tuple[str, int]], int]:
        store = Store(Database(tmp_path / "state.db"))
        clock = Clock(asyncio.get_running_loop().time())

        async def runs_out(waiting: Any, seconds: float) -> None:
            waiting.close()
            for number in range(meanwhile):
                publish(store, a_config_map(number))
            clock.moment += seconds
            raise TimeoutError

        monkeypatch.setattr(storage.asyncio, "wait_for", runs_out)
        monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 5.0)  # the end of the watch, as 540 s are
        monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
        try:
            return await told(await watching.watch(store, CONFIG_MAPS, Accept(), QUERY)), store.revision
        finally:
            monkeypatch.undo()
            await store.close()

    events, newest = asyncio.run(steps())
    print(events[:5], newest)
    changes = [revision for kind, revision in events if kind != "BOOKMARK"]
    marks = [revision for kind, revision in events if kind == "BOOKMARK"]
    assert changes == list(range(1, min(meanwhile, storage.LONGEST_LAG) + 1))
    assert marks == ([newest] if changes[-1] == newest else [])


class Clock:
    """The loop's, moved on by hand."""

    def __init__(self, moment: float) -> None:
        self.moment = moment

    def __call__(self) -> float:
        return self.moment


def publish(store: Store, obj: dict[str, Any]) -> None:
    """What a write does once it is committed."""
    revision = store.revision + 1
    obj["metadata"]["resourceVersion"] = str(revision)
    entry = storage.Entry(obj, revision, storage.encode(obj))
    store.revision = revision
    key = f"default/{obj['metadata']['name']}"
    store._publish(storage.Event(revision, CONFIG_MAPS.kind.collection, key, entry, None, False))
