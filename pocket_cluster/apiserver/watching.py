"""Watch: what happens to a collection from a revision on, one JSON document a line.

Rules: apiserver, storage/cacher (selectors, bookmarks, initial events).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver import errors, table
from pocket_cluster.apiserver.list_options import ListOptions, parse_list_options, revision
from pocket_cluster.apiserver.negotiation import Accept
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.store import Entry, Event, Expired, Store, Watcher, encode

BOOKMARK_SECONDS = 60.0
# Without timeoutSeconds a watch lasts between this and twice this (--min-request-timeout of the real server).
SHORTEST_WATCH_SECONDS = 1800
PIECE_BYTES = 64 * 1024
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(slots=True)
class _Watch:
    store: Store
    target: Target
    accept: Accept
    options: ListOptions
    watcher: Watcher
    seconds: float
    first_table: bool = True

    def selects(self, entry: Entry | None, key: str) -> bool:
        if entry is None or (self.target.namespace and not key.startswith(f"{self.target.namespace}/")):
            return False
        selection = self.options.selection
        return selection.is_everything or selection.matches(entry.object)


async def watch(store: Store, target: Target, accept: Accept, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """Start watching; the iterator gives encoded events until the time is up or the client lags too far behind.

    Raises StatusError before the first event for parameters that do not fit and for revisions that are gone.
    """
    options = parse_list_options(target.kind, query, target.name, is_watch=True)
    asked = revision(options.version)
    # Without a revision, or by its own wish, a watch begins with the present state.
    begins_now = asked == 0 if options.initial is None else options.initial
    try:
        watcher = store.watch(target.kind.collection, None if begins_now else asked or store.revision)
    except Expired:
        raise errors.expired(f"too old resource version: {asked} ({store.revision})") from None
    seconds = options.seconds if options.seconds > 0 else SHORTEST_WATCH_SECONDS * (1 + random.random())
    state = _Watch(store, target, accept, options, watcher, seconds)
    items = store.items(target.kind.collection) if begins_now else ()
    first = [entry for key, entry in items if state.selects(entry, key)]
    mark = _bookmark(state, {INITIAL_EVENTS_END: "true"}) if begins_now and options.initial else b""
    return _stream(state, first, mark)


def _initial_events(state: _Watch, first: list[Entry], mark: bytes) -> Iterator[bytes]:
    """In pieces: whoever does not read on costs no copy of the list."""
    piece = bytearray()
    for entry in first:
        piece += _encode_event(state, "ADDED", entry)
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    piece += mark
    if piece:
        yield bytes(piece)


async def _stream(state: _Watch, first: list[Entry], mark: bytes) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end, next_bookmark = loop.time() + state.seconds, loop.time() + BOOKMARK_SECONDS
    try:
        for piece in _initial_events(state, first, mark):
            yield piece
        first.clear()
        while (now := loop.time()) < end and not state.watcher.lagging:
            await state.watcher.arrival(min(end, next_bookmark) - now)
            # A bookmark says that all up to its revision was told: nothing may happen between taking and marking.
            encoded = b"".join(filter(None, (_for_watcher(state, event) for event in state.watcher.take())))
            if loop.time() >= next_bookmark and not state.watcher.lagging:
                next_bookmark += BOOKMARK_SECONDS
                encoded += _bookmark(state, {}) if state.options.bookmarks else b""
            if encoded:
                yield encoded
    finally:
        state.store.unwatch(state.watcher)


def _for_watcher(state: _Watch, event: Event) -> bytes:
    """The event as this watcher's selectors see it: an object may enter or leave them."""
    is_in = not event.deleted and state.selects(event.entry, event.key)
    was_in = state.selects(event.previous, event.key)
    if is_in:
        return _encode_event(state, "MODIFIED" if was_in else "ADDED", event.entry)
    if was_in:
        return _encode_event(state, "DELETED", event.entry if event.deleted else _leaving(event))
    return b""


def _leaving(event: Event) -> Entry:
    """The last state that the selectors matched, at the revision at which they no longer do."""
    assert event.previous is not None
    last = event.previous.object
    shown = {**last, "metadata": {**last["metadata"], "resourceVersion": str(event.revision)}}
    return Entry(shown, event.revision, encode(shown))


def _encode_event(state: _Watch, kind: str, entry: Entry) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), _represent(state, entry))


def _represent(state: _Watch, entry: Entry) -> bytes:
    if state.accept.form == "table":
        return _table_row(state, entry)
    if state.accept.form == "metadata":
        return encode(table.metadata_only(entry.object["metadata"], state.accept.version))
    return entry.encoded


def _table_row(state: _Watch, entry: Entry) -> bytes:
    """A Table of one row; only the first has column definitions (apiserver, endpoints/handlers/response.go)."""
    with_columns, state.first_table = state.first_table, False
    metadata = {"resourceVersion": str(entry.revision)}
    rendered = table.render(
        state.target.kind.resource,
        [entry.object],
        state.accept.version,
        include_object=state.options.include,
        with_columns=with_columns,
        list_metadata=metadata,
    )
    return encode(rendered)


def _bookmark(state: _Watch, annotations: Mapping[str, str]) -> bytes:
    metadata: Object = {"resourceVersion": str(state.store.revision)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    resource, version = state.target.kind.resource, state.accept.version
    shown: Object = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
    if state.accept.form == "table":
        row = {"cells": [], "object": table.metadata_only(metadata, version)}
        head = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}"}
        shown = head | {"metadata": {"resourceVersion": str(state.store.revision)}, "rows": [row]}
    elif state.accept.form == "metadata":
        shown = table.metadata_only(metadata, version)
    return encode({"type": "BOOKMARK", "object": shown}) + b"\n"
