"""Revisions in SQLite, as kine keeps them: one row for each write, and the row's number is the resourceVersion.

The journal is a write-ahead log with ``synchronous=NORMAL``: what was committed survives the end of the process by any
means, ``kill -9`` included, and a power cut can lose the last moments but never corrupts.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS revisions (
    id INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,     -- "apps/deployments"
    key TEXT NOT NULL,            -- "namespace/name" or "name"
    created INTEGER NOT NULL,     -- whether the object did not exist before
    deleted INTEGER NOT NULL,     -- whether it does not exist afterwards
    value BLOB NOT NULL           -- the object as JSON; of a deletion the last state
);
CREATE INDEX IF NOT EXISTS by_key ON revisions (collection, key, id);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
COMPACTED = "compacted"
# Kept in the file as its user_version. 0 is what the first releases wrote: the same tables, without the number.
VERSION = 1


# What is no damage (SQLite's primary result codes).
PASSING = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
}  # fmt: skip
BEGIN = "begin without its Deployments, Services and all other objects: pocket-cluster reset (images and keys stay)."
DAMAGED = f"Put a copy of that file back, or {BEGIN}"
NEWER = f"Install that release again, or {BEGIN}"
NOT_NOW = (
    "See that you may read and write it and its folder, that no other program has it open and that the disk is not"
    " full; then start the cluster again."
)


class Unusable(Exception):
    """A file that no cluster can go on with; the text says why, ``way_out`` what to do."""

    def __init__(self, why: str, way_out: str = DAMAGED) -> None:
        super().__init__(why)
        self.way_out = way_out


class Revision(NamedTuple):
    """One write."""

    id: int
    collection: str
    key: str
    created: bool
    deleted: bool
    value: bytes


COLUMNS = {"facts": ("name", "value"), "revisions": Revision._fields}


def examine(path: Path) -> None:
    """Read all that a cluster is to go on with, and change nothing. Unusable when it is damaged or not ours."""
    if not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            _examine(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in PASSING:
            raise Unusable(f"cannot be read now ({error})", NOT_NOW) from None
        raise Unusable(f"is damaged ({error})") from None
    except (ValueError, RecursionError) as error:
        raise Unusable(f"is damaged ({error})") from None


def _examine(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise Unusable(
            f"was written by a newer release (its data has version {version}, this one knows {VERSION})", NEWER
        )
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not version and tables < COLUMNS.keys():  # the first start did not come further
        return
    if tables != COLUMNS.keys() or any(_columns(connection, table) != names for table, names in COLUMNS.items()):
        raise Unusable("has other tables than a cluster's")
    if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise Unusable(f"is damaged ({found})")
    for number, value in connection.execute("SELECT id, value FROM revisions"):
        if not isinstance(value, str | bytes) or not _is_object(json.loads(value)):
            raise Unusable(f"is damaged (revision {number} is no object)")
    for name, value in connection.execute("SELECT name, value FROM facts"):
        if not isinstance(value, int):
            raise Unusable(f"is damaged ({name} is no number)")


def _columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))


def _is_object(value: Any) -> bool:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


class Database:
    """The table of revisions. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self._connection.close()

    def append(self, revisions: Iterable[Revision]) -> None:
        """Commit the revisions together: all of them or none."""
        with self._transaction():
            self._connection.executemany("INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?)", revisions)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, whichever statement fails, the last one included."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # on a full disk SQLite has rolled back itself
                self._connection.execute("ROLLBACK")
            raise

    def all_revisions(self) -> Iterator[Revision]:
        """Everything that is not compacted away, oldest first."""
        return map(_revision, self._connection.execute("SELECT * FROM revisions ORDER BY id"))

    def newest(self) -> int:
        """The highest revision ever written."""
        found = self._connection.execute("SELECT MAX(id) FROM revisions").fetchone()[0] or 0
        return max(int(found), self.compacted())

    def compacted(self) -> int:
        """Lists and watches from a revision before this one are no longer possible."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (COMPACTED,)).fetchone()
        return int(row[0]) if row else 0

    def list_at(self, collection: str, revision: int) -> list[Revision]:
        """The objects of a collection as they were at a revision, by key."""
        rows = self._connection.execute(
            "SELECT r.* FROM revisions r JOIN (SELECT key, MAX(id) AS id FROM revisions"
            " WHERE collection = ? AND id <= ? GROUP BY key) newest ON r.id = newest.id"
            " WHERE NOT r.deleted ORDER BY r.key",
            (collection, revision),
        )
        return list(map(_revision, rows))

    def compact(self, revision: int) -> None:
        """Forget what only lists and watches before ``revision`` could see."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM revisions WHERE id <= :revision AND (deleted OR EXISTS (SELECT 1 FROM revisions newer"
                " WHERE newer.collection = revisions.collection AND newer.key = revisions.key"
                " AND newer.id > revisions.id AND newer.id <= :revision))",
                {"revision": revision},
            )
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (COMPACTED, revision))


def _revision(row: tuple[int, str, str, int, int, bytes]) -> Revision:
    number, collection, key, created, deleted, value = row
    return Revision(number, collection, key, bool(created), bool(deleted), value)
