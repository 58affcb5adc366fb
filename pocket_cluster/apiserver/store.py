"""The objects in memory, their writes in groups, and who watches them.

A write is decided on the newest state, given the next revision, committed to the database together with the others
that wait, and only then published and answered. Reads and watches never touch the database, but for lists of the past.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.database import Database, Revision

# What a late watcher can still be given, in bytes of JSON, and how many events a watcher may lag behind before it is
# cut off.
WINDOW_BYTES = 16 * 2**20
LONGEST_LAG = 10_000
# So many events later a superseded state is needed by few watchers: it is kept as JSON, a tenth of the memory.
RECENT = 32


class Expired(Exception):
    """The revision asked for has been compacted."""


class NotWritten(Exception):
    """The database cannot be written now, as on a full disk."""


class Superseded(Exception):
    """The object is not at the revision that the write was decided on."""


class Entry:
    """One state of one object. ``encoded`` is its JSON."""

    __slots__ = ("_decoded", "encoded", "revision")

    def __init__(self, obj: Object, revision: int, encoded: bytes) -> None:
        self._decoded: Object | None = obj
        self.revision = revision
        self.encoded = encoded

    @property
    def object(self) -> Object:
        """The state itself, made anew from its JSON if it is one of the past."""
        found: Object = json.loads(self.encoded) if self._decoded is None else self._decoded
        return found

    def keep_encoded(self) -> None:
        """Keep the JSON alone."""
        self._decoded = None


@dataclass(slots=True, eq=False)
class Event:
    """One write as watchers see it. Of a deletion ``entry`` is the last state at the deletion's revision."""

    revision: int
    collection: str
    key: str
    entry: Entry
    previous: Entry | None
    deleted: bool

    @property
    def type(self) -> str:
        if self.deleted:
            return "DELETED"
        return "MODIFIED" if self.previous else "ADDED"


class Watcher:
    """A queue of one collection's events. ``lagging`` tells that some were lost and the watch must end."""

    def __init__(self, collection: str, past: Iterable[Event] = ()) -> None:
        """``past`` is what has happened since the watcher's revision: that it comes late is no lag."""
        self.collection = collection
        self.lagging = False
        self._events = deque(past)
        self._most = len(self._events) + LONGEST_LAG
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        if len(self._events) >= self._most:
            self.lagging = True
        else:
            self._events.append(event)
        self._arrived.set()

    async def arrival(self, seconds: float) -> None:
        """Wait until there are events to take, or some were lost; at most ``seconds``."""
        if not self._events and not self.lagging:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), seconds)

    def take(self) -> list[Event]:
        """All events that have arrived and were not taken yet."""
        arrived = list(self._events)
        self._events.clear()
        return arrived


@dataclass(slots=True)
class _Write:
    collection: str
    key: str
    expected: int
    object: Object
    deletes: bool
    done: asyncio.Future[Entry]


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Store:
    """All objects of the cluster. Every method but the writes answers at once."""

    def __init__(self, database: Database, seldom_read: Collection[str] = ()) -> None:
        """Of ``seldom_read``, collections of many objects that nobody asks for one by one, all is kept as JSON."""
        self._database, self._seldom_read = database, seldom_read
        self._objects: dict[str, dict[str, Entry]] = {}
        self._window: deque[Event] = deque()
        self._window_bytes = 0
        self._watchers: dict[str, set[Watcher]] = {}
        self._waiting: list[_Write] = []
        self._turns: dict[tuple[str, str], _Turn] = {}
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "database")
        self.revision = database.newest()
        # Lists of the past are possible from the one revision on, watches after the other.
        self._compacted = self._untold = database.compacted()
        for revision in database.all_revisions():
            self._remember(self._replay(revision))

    async def close(self) -> None:
        if self._writing:
            await self._writing
        self._thread.shutdown()
        self._database.close()

    # --- reading

    def get(self, collection: str, key: str) -> Entry | None:
        return self._objects.get(collection, {}).get(key)

    def items(self, collection: str) -> Iterator[tuple[str, Entry]]:
        """All objects of a collection in the order of their keys."""
        objects = self._objects.get(collection, {})
        return ((key, objects[key]) for key in sorted(objects))

    async def list_at(self, collection: str, revision: int) -> list[tuple[str, Entry]]:
        """The collection as it was at a revision; Expired when that is compacted."""
        if revision < self._compacted:
            raise Expired
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._database.list_at, collection, revision)
        return [(row.key, Entry(json.loads(row.value), row.id, row.value)) for row in found]

    # --- watching

    def watch(self, collection: str, after: int | None) -> Watcher:
        """A watcher that gets every event after a revision (None: from now on); Expired when some are forgotten."""
        past: list[Event] = []
        if after is not None:
            if after < self._untold and after < self.revision:
                raise Expired
            past = [event for event in self._window if event.revision > after and event.collection == collection]
        watcher = Watcher(collection, past)
        self._watchers.setdefault(collection, set()).add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        self._watchers.get(watcher.collection, set()).discard(watcher)

    # --- writing

    @contextlib.asynccontextmanager
    async def turn(self, collection: str, key: str) -> AsyncIterator[None]:
        """For who reads an object in order to change it: one after the other, since only one of several can succeed."""
        turn = self._turns.setdefault((collection, key), _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[collection, key]

    async def write(self, collection: str, key: str, expected: int, obj: Object) -> Entry:
        """Store the object if it is still at revision ``expected`` (0: does not exist); Superseded otherwise."""
        return await self._submit(collection, key, expected, obj, deletes=False)

    async def delete(self, collection: str, key: str, expected: int, last: Object) -> Entry:
        """Delete the object if it is still at ``expected``; ``last`` is what watchers see of it."""
        return await self._submit(collection, key, expected, last, deletes=True)

    async def _submit(self, collection: str, key: str, expected: int, obj: Object, deletes: bool) -> Entry:
        loop = asyncio.get_running_loop()
        write = _Write(collection, key, expected, obj, deletes, loop.create_future())
        self._waiting.append(write)
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write_groups())
        # A client that goes away must not take its half-committed write with it.
        return await asyncio.shield(write.done)

    async def _write_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await self._write_group(group)
            except sqlite3.OperationalError as error:
                _refuse(group, NotWritten(str(error)))
            except Exception as error:
                _refuse(group, error)

    async def _write_group(self, group: list[_Write]) -> None:
        events, writes = self._decide(group)
        if not events:
            return
        rows = [_row(event) for event in events]
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.append, rows)
        self.revision = events[-1].revision
        for event, write in zip(events, writes, strict=True):
            self._publish(event)
            if not write.done.done():
                write.done.set_result(event.entry)

    def _decide(self, group: list[_Write]) -> tuple[list[Event], list[_Write]]:
        """Give each write of the group that is decided on the newest state its revision."""
        events: list[Event] = []
        accepted: list[_Write] = []
        newest: dict[tuple[str, str], Entry | None] = {}
        revision = self.revision
        for write in group:
            place = (write.collection, write.key)
            current = newest[place] if place in newest else self.get(*place)
            if (current.revision if current else 0) != write.expected:
                write.done.set_exception(Superseded())
                continue
            try:
                entry = _entry(write.object, revision + 1)
            except Exception as error:  # it cannot be encoded; the others can
                _refuse([write], error)
                continue
            revision += 1
            newest[place] = None if write.deletes else entry
            events.append(Event(revision, write.collection, write.key, entry, current, write.deletes))
            accepted.append(write)
        return events, accepted

    def _publish(self, event: Event) -> None:
        self._remember(event)
        for watcher in self._watchers.get(event.collection, ()):
            watcher.put(event)

    def _remember(self, event: Event) -> None:
        objects = self._objects.setdefault(event.collection, {})
        if event.deleted:
            objects.pop(event.key, None)
        else:
            objects[event.key] = event.entry
        self._window.append(event)
        self._window_bytes += len(event.entry.encoded)
        while self._window_bytes > WINDOW_BYTES:
            self._shorten_window()
        if len(self._window) > RECENT:
            past = self._window[-RECENT]
            for entry in (past.previous, past.entry if past.deleted or past.collection in self._seldom_read else None):
                if entry:
                    entry.keep_encoded()

    def _replay(self, revision: Revision) -> Event:
        entry = Entry(json.loads(revision.value), revision.id, revision.value)
        previous = self.get(revision.collection, revision.key)
        return Event(revision.id, revision.collection, revision.key, entry, previous, revision.deleted)

    # --- forgetting

    async def compact(self, revision: int) -> None:
        """Forget the past before ``revision``; lists and watches from before it are then refused."""
        revision = min(revision, self.revision)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._database.compact, revision)
        self._compacted = max(self._compacted, revision)
        while self._window and self._window[0].revision <= revision:
            self._shorten_window()
        self._untold = max(self._untold, revision)

    def _shorten_window(self) -> None:
        oldest = self._window.popleft()
        self._window_bytes -= len(oldest.entry.encoded)
        self._untold = max(self._untold, oldest.revision)


def _refuse(writes: Iterable[_Write], error: Exception) -> None:
    """Nobody waits for ever for a write that is not done."""
    for write in writes:
        if not write.done.done():
            write.done.set_exception(error)


def _entry(obj: Object, revision: int) -> Entry:
    """The object at its revision; ``metadata.resourceVersion`` is set in it."""
    obj["metadata"]["resourceVersion"] = str(revision)
    return Entry(obj, revision, encode(obj))


def _row(event: Event) -> Revision:
    created = event.previous is None
    return Revision(event.revision, event.collection, event.key, created, event.deleted, event.entry.encoded)


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
