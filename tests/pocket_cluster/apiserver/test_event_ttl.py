"""Events last an hour, and the newest stay when there are too many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pocket_cluster.apiserver import event_ttl
from pocket_cluster.apiserver.event_ttl import outlived
from pocket_cluster.apiserver.store import Entry

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


def test_the_newest_stay_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_ttl, "MOST_EVENTS", 2)
    made = [{"metadata": {"creationTimestamp": ago(seconds=seconds)}} for seconds in (5, 3, 9, 4)]
    assert forgotten(*made[:2]) == []
    assert forgotten(*made) == ["0", "2"]
