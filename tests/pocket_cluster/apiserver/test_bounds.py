"""Each bound of docs/limits.md that a request can meet: what is within it is read, what is one above is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pocket_cluster.apiserver import LONGEST_LINE
from pocket_cluster.apiserver import store as storage
from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.schema.body import DecodeError, parse_body
from pocket_cluster.apiserver.server import LARGEST_BODY
from pocket_cluster.apiserver.store import LONGEST_LAG, Entry, Event, Expired, Store, Watcher
from pocket_cluster.yaml_values import MOST_DEPTH, MOST_DIGITS

HEAD, TAIL = b'{"metadata":{"name":"large"},"data":{"a":"', b'"}}'
TOO_DEEP = "exceeded max depth"


def body_of(size: int) -> bytes:
    return HEAD + b"x" * (size - len(HEAD) - len(TAIL)) + TAIL


def test_a_body(api: Any) -> None:
    within, above = (api.send("POST", "configmaps", body_of(LARGEST_BODY + more)) for more in (0, 1))
    assert (within.code, within.body["reason"]) == (422, "Invalid")  # read, and more than a ConfigMap may hold
    assert (above.code, above.body["message"]) == (413, f"limit on request body size is {LARGEST_BODY} bytes")


@pytest.mark.parametrize("part", ["path", "header"])
def test_a_request_line_and_a_header(api: Any, part: str) -> None:
    def send(size: int) -> int:
        filler = "x" * size
        if part == "header":
            return int(api.send("GET", "configmaps", None, {"X-Filler": filler}).code)
        return int(api.send("GET", f"configmaps?filler={filler}").code)

    assert send(LONGEST_LINE - 200) == 200
    assert send(LONGEST_LINE + 1) == 400
    assert send(10) == 200


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize("content_type", ["application/json", "application/yaml"])
def test_values_in_one_another(content_type: str) -> None:
    assert parse_body(nested(MOST_DEPTH), content_type)
    with pytest.raises(DecodeError, match=TOO_DEEP):
        parse_body(nested(MOST_DEPTH + 2), content_type)
    with pytest.raises(DecodeError, match=TOO_DEEP if "json" in content_type else "depth"):
        parse_body(nested(100_000), content_type)


def test_a_patch_that_digs(api: Any) -> None:
    """Each of its operations is shallow; what they make together is not."""
    api.must("POST", "configmaps", {"metadata": {"name": "dug"}, "data": {}})
    operations = [{"op": "add", "path": "/data" + "/a" * depth, "value": {}} for depth in range(1, 600)]
    answer = api.send("PATCH", "configmaps/dug", operations, {"Content-Type": "application/json-patch+json"})
    assert (answer.code, answer.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("content_type", "kind"), [("application/json", float), ("application/yaml", str)], ids=["JSON", "YAML"]
)
def test_the_digits_of_a_number(content_type: str, kind: type) -> None:
    """Longer ones are no integers: to JSON infinite, to YAML a text, as to Go's libraries."""
    read: Callable[[int], Any] = lambda digits: parse_body(b'{"a": %s}' % (b"9" * digits), content_type)["a"]  # noqa: E731
    assert read(MOST_DIGITS) == int("9" * MOST_DIGITS)
    assert isinstance(read(MOST_DIGITS + 1), kind)
    assert isinstance(read(1_000_000), kind)


def test_a_watcher_that_lags_behind_is_cut_off() -> None:
    watcher = Watcher("pods")
    event = Event(1, "pods", "default/web", Entry({}, 1, b"{}"), None, False)
    for _ in range(LONGEST_LAG):
        watcher.put(event)
    assert not watcher.lagging
    watcher.put(event)
    assert watcher.lagging


def test_what_had_happened_before_a_watch_began_is_no_lag() -> None:
    event = Event(1, "pods", "default/web", Entry({}, 1, b"{}"), None, False)
    watcher = Watcher("pods", [event] * (LONGEST_LAG + 5))
    watcher.put(event)
    assert not watcher.lagging
    assert len(watcher.take()) == LONGEST_LAG + 6


def test_the_past_that_watches_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes; who comes later lists anew, and lists of the past still go further back."""

    async def steps() -> tuple[list[int], int]:
        store = Store(Database(tmp_path / "state.db"))
        for number in range(10):
            await store.write("core/pods", str(number), 0, {"metadata": {"name": "a"}, "text": "x" * 1000})
        size = len((store.get("core/pods", "9") or Entry({}, 0, b"")).encoded)
        monkeypatch.setattr(storage, "WINDOW_BYTES", 5 * size)
        await store.write("core/pods", "10", 0, {"metadata": {"name": "b"}, "text": "x" * 999})
        told = [event.revision for event in store.watch("core/pods", 6).take()]
        with pytest.raises(Expired):
            store.watch("core/pods", 5)
        listed = await store.list_at("core/pods", 3)
        await store.compact(11)
        await store.close()
        store = Store(Database(tmp_path / "state.db"))
        with pytest.raises(Expired):
            store.watch("core/pods", 10)  # after a restart too
        assert not store.watch("core/pods", 11).take()
        await store.close()
        return told, len(listed)

    assert asyncio.run(steps()) == ([7, 8, 9, 10, 11], 3)
