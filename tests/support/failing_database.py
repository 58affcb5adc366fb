"""A database of which one statement fails: a full disk, a file that has gone."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from pocket_cluster.apiserver.database import Database


class Failing:
    """A connection of which the statement of this number fails, once."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection, self.left = connection, number

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise sqlite3.OperationalError("database or disk is full")

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._count()
        return self._connection.executemany(*words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextlib.contextmanager
def failing(database: Database, number: int) -> Iterator[Failing]:
    """The statement of this number fails as long as this lasts."""
    whole: Any = database._connection
    broken: Any = Failing(whole, number)
    database._connection = broken
    try:
        yield broken
    finally:
        database._connection = whole
