"""One bad write, or a database that fails, takes no other write with it, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from failing_database import failing

from pocket_cluster.apiserver.database import Database, Revision
from pocket_cluster.apiserver.store import Entry, NotWritten, Store

A_ROW = Revision(1, "pods", "default/web", True, False, b"{}")


def a_pod(text: str = "") -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "text": text}


def test_a_write_that_cannot_be_encoded_fails_alone(tmp_path: Path) -> None:
    async def steps() -> list[Entry | BaseException]:
        store = Store(Database(tmp_path / "database"))
        texts = ("one", "\ud800", "three")
        writes = (store.write("pods", f"default/{number}", 0, a_pod(text)) for number, text in enumerate(texts))
        found = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 60)
        await store.close()
        return found

    first, second, third = asyncio.run(steps())
    assert isinstance(second, UnicodeEncodeError)
    assert isinstance(first, Entry)
    assert isinstance(third, Entry)
    assert third.revision == first.revision + 1


@pytest.mark.parametrize("statement", [1, 2, 3])
def test_writes_that_the_database_refuses_are_answered_and_the_next_is_stored(tmp_path: Path, statement: int) -> None:
    async def steps() -> tuple[list[Entry | BaseException], Entry]:
        database = Database(tmp_path / "database")
        store = Store(database)
        with failing(database, statement):
            writes = (store.write("pods", f"default/{number}", 0, a_pod()) for number in range(2))
            refused = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 60)
        entry = await asyncio.wait_for(store.write("pods", "default/0", 0, a_pod()), 60)
        assert store.get("pods", "default/1") is None
        await store.close()
        return refused, entry

    refused, entry = asyncio.run(steps())
    assert [type(each) for each in refused] == [NotWritten] * 2
    assert entry.revision == 1


@pytest.mark.parametrize("statement", [1, 2, 3, 4])
def test_a_compaction_that_fails_changes_nothing_and_stops_nothing(tmp_path: Path, statement: int) -> None:
    database = Database(tmp_path / "database")
    rows = [A_ROW, A_ROW._replace(id=2, created=False)]
    database.append(rows)
    with failing(database, statement), pytest.raises(sqlite3.OperationalError):
        database.compact(2)
    assert (list(database.all_revisions()), database.compacted()) == (rows, 0)
    database.append([A_ROW._replace(id=3, created=False)])
    database.compact(3)
    assert [row.id for row in database.all_revisions()] == [3]
    database.close()


def test_many_who_change_one_object_wait_for_their_turn_and_none_works_in_vain(tmp_path: Path) -> None:
    async def steps() -> Entry | None:
        store = Store(Database(tmp_path / "database"))
        await store.write("pods", "default/web", 0, {**a_pod(), "count": 0})

        async def count() -> None:
            async with store.turn("pods", "default/web"):
                current = store.get("pods", "default/web")
                assert current
                new = {**current.object, "metadata": {"name": "web"}, "count": current.object["count"] + 1}
                await store.write("pods", "default/web", current.revision, new)  # Superseded, were it not alone

        await asyncio.wait_for(asyncio.gather(*(count() for _ in range(50))), 60)
        assert store._turns == {}
        await store.close()
        return store.get("pods", "default/web")

    entry = asyncio.run(steps())
    assert entry
    assert (entry.object["count"], entry.revision) == (50, 51)


def test_who_leaves_while_it_waits_for_its_turn_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def steps() -> None:
        store, order = Store(Database(tmp_path / "database")), list[int]()

        async def take(number: int, may_end: asyncio.Event) -> None:
            async with store.turn("pods", "default/web"):
                order.append(number)
                await may_end.wait()

        may_end = asyncio.Event()
        first, second, third = (asyncio.create_task(take(number, may_end)) for number in (1, 2, 3))
        await asyncio.sleep(0)
        second.cancel()
        may_end.set()
        await asyncio.wait_for(asyncio.gather(first, second, third, return_exceptions=True), 60)
        assert order == [1, 3]
        assert store._turns == {}
        await store.close()

    asyncio.run(steps())
