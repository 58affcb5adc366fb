"""The store: what it keeps of the past."""

import asyncio
from pathlib import Path

from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.store import RECENT, Entry, Store

WRITES = 2 * RECENT


def a_pod(step: int) -> dict[str, object]:
    return {"metadata": {"name": "web"}, "step": step}


async def write_many(store: Store) -> list[Entry]:
    entries: list[Entry] = []
    for step in range(WRITES):
        expected = entries[-1].revision if entries else 0
        entries.append(await store.write("pods", "default/web", expected, a_pod(step)))
    return entries


def test_a_late_watcher_sees_every_state_of_the_past_whole(tmp_path: Path) -> None:
    async def steps() -> list[tuple[int | None, int]]:
        store = Store(Database(tmp_path / "database"))
        entries = await write_many(store)
        last = await store.delete("pods", "default/web", entries[-1].revision, a_pod(WRITES))
        for number in range(WRITES):
            await store.write("pods", f"default/{number}", 0, a_pod(0))
        events = store.watch("pods", 0).take()
        await store.close()
        seen = events[: WRITES + 1]
        assert seen[-1].deleted
        assert seen[-1].entry is last
        return [
            (event.previous.object["step"] if event.previous else None, event.entry.object["step"]) for event in seen
        ]

    assert asyncio.run(steps()) == [(None, 0), *((step - 1, step) for step in range(1, WRITES + 1))]


def test_only_recent_and_current_states_are_kept_decoded(tmp_path: Path) -> None:
    async def decoded() -> list[bool]:
        store = Store(Database(tmp_path / "database"))
        entries = await write_many(store)
        await store.close()
        return [entry.object is entry.object for entry in entries]

    found = asyncio.run(decoded())
    assert not any(found[: WRITES - RECENT])
    assert all(found[-RECENT:])
