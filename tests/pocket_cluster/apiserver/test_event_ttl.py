"""Events last an hour, and the newest stay when there are too many."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eventually import DEADLINE_SECONDS

from pocket_cluster.api import resources
from pocket_cluster.apiserver import event_ttl
from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.event_ttl import outlived
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.store import Entry, Store

EVENTS = BY_RESOURCE[resources.EVENTS].collection
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def ago(**since: float) -> str:
    return (NOW - timedelta(**since)).strftime("%Y-%m-%dT%H:%M:%SZ")


def forgotten(*events: dict[str, Any]) -> list[str]:
    return [key for key, _ in outlived(((str(n), Entry(e, n, b"")) for n, e in enumerate(events)), NOW)]


def test_an_hour_counts_from_when_it_was_last_seen() -> None:
    old, new = {"creationTimestamp": ago(hours=2)}, {"creationTimestamp": ago(minutes=59)}
    assert forgotten({"metadata": old}, {"metadata": new}) == ["0"]
    assert forgotten({"metadata": old, "lastTimestamp": ago(minutes=1)}) == []
    assert forgotten({"metadata": old, "eventTime": "2026-01-02T11:59:00.000000Z"}) == []
    assert forgotten({"metadata": new, "lastTimestamp": ago(minutes=61)}) == ["0"]
    assert forgotten({"metadata": new, "lastTimestamp": ago(minutes=60)}) == []
    assert forgotten({"metadata": new, "lastTimestamp": "500-01-01T00:00:00Z"}) == ["0"]


def test_the_newest_stay_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_ttl, "MOST_EVENTS", 2)
    made = [{"metadata": {"creationTimestamp": ago(seconds=seconds)}} for seconds in (5, 3, 9, 4)]
    assert forgotten(*made[:2]) == []
    assert forgotten(*made) == ["0", "2"]


def test_they_are_deleted_from_time_to_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps() -> list[str]:
        store = Store(Database(tmp_path / "state.db"))
        for name, since in (("old", ago(hours=2)), ("other", ago(hours=3))):
            await store.write(EVENTS, f"default/{name}", 0, {"metadata": {"name": name, "creationTimestamp": since}})
        watcher = store.watch(EVENTS, 2)
        monkeypatch.setattr(event_ttl, "SWEEP_SECONDS", 0)
        forgetting = asyncio.create_task(event_ttl.forget_old_events(store))
        told: list[str] = []
        while len(told) < 2:
            await watcher.arrival(DEADLINE_SECONDS)
            told += [f"{event.type} {event.key}" for event in watcher.take()]
        forgetting.cancel()
        await store.close()
        return sorted(told)

    assert asyncio.run(steps()) == ["DELETED default/old", "DELETED default/other"]
