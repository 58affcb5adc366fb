"""The store against a model of it: whatever is written, restarted, compacted or broken in whatever order."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from failing_database import failing
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.store import Entry, Expired, NotWritten, Store, Superseded, Watcher

COLLECTION = "pods"
KEYS = st.sampled_from(["a/one", "a/two", "b/one"])
SECONDS = 60.0


class Change(NamedTuple):
    """One revision, as the model knows it; ``text`` is None of a deletion."""

    revision: int
    key: str
    text: str | None


class Wish(NamedTuple):
    """A write that somebody asks for, at a revision that is the right one or not; ``text`` is None to delete."""

    key: str
    text: str | None
    is_current: bool


WISHES = st.lists(st.builds(Wish, KEYS, st.none() | st.text(max_size=3), st.booleans()), min_size=1, max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """``history`` is all that was acknowledged, in order; ``seen`` what each watcher has got since it began."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.history: list[Change] = []
        self.compacted = 0
        self.watchers: list[tuple[Watcher, int, list[Change]]] = []
        self.open()

    def open(self) -> None:
        self.database = Database(Path(self.folder.name) / "database")
        self.store = Store(self.database)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, SECONDS))

    def newest(self, key: str) -> Change | None:
        """The object that is there, as it was written last."""
        last = next((change for change in reversed(self.history) if change.key == key), None)
        return last if last and last.text is not None else None

    async def ask(self, wishes: list[Wish]) -> list[Entry | BaseException]:
        """All at once; each at the revision that its object has before all of them, or at one that it never had."""
        writes = []
        for wish in wishes:
            newest = self.newest(wish.key)
            expected = newest.revision if newest else 0
            expected = expected if wish.is_current else expected + 1_000_000
            submit = self.store.delete if wish.text is None else self.store.write
            writes.append(submit(COLLECTION, wish.key, expected, {"metadata": {}, "text": wish.text}))
        return await asyncio.gather(*writes, return_exceptions=True)

    def may_succeed(self, wishes: list[Wish]) -> list[bool]:
        """The first that has the right revision wins; who deletes what is not there is not asked of a store."""
        won: set[str] = set()
        found = []
        for wish in wishes:
            wins = (
                wish.is_current and wish.key not in won and (wish.text is not None or self.newest(wish.key) is not None)
            )
            if wins:
                won.add(wish.key)
            found.append(wins)
        return found

    # --- what happens

    @rule(wishes=WISHES)
    def write_at_once(self, wishes: list[Wish]) -> None:
        wishes = [wish for wish in wishes if wish.text is not None or self.newest(wish.key)]
        wins = self.may_succeed(wishes)
        for wish, wins_it, found in zip(wishes, wins, self.run(self.ask(wishes)), strict=True):
            if not wins_it:
                assert isinstance(found, Superseded)
                continue
            assert isinstance(found, Entry)
            revision = self.history[-1].revision + 1 if self.history else 1
            assert found.revision == revision
            self.history.append(Change(revision, wish.key, wish.text))

    @rule(wishes=WISHES, statement=st.integers(1, 3))
    def the_database_fails(self, wishes: list[Wish], statement: int) -> None:
        wishes = [wish for wish in wishes if wish.text is not None or self.newest(wish.key)]
        with failing(self.database, statement) as broken:
            answers = self.run(self.ask(wishes))
        for wins, found in zip(self.may_succeed(wishes), answers, strict=True):
            assert isinstance(found, NotWritten if wins and broken.left <= 0 else Superseded)

    @rule(back=st.integers(0, 3))
    def compact(self, back: int) -> None:
        revision = max(0, self.store.revision - back)
        self.run(self.store.compact(revision))
        self.compacted = max(self.compacted, revision)

    @rule(statement=st.integers(1, 4))
    def a_compaction_fails(self, statement: int) -> None:
        with failing(self.database, statement):
            try:
                self.run(self.store.compact(self.store.revision))
            except sqlite3.OperationalError:
                return
        raise AssertionError("it did not fail")

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.watchers.clear()
        self.open()

    @rule(back=st.integers(0, 4))
    def watch(self, back: int) -> None:
        after = max(0, self.store.revision - back)
        try:
            self.watchers.append((self.store.watch(COLLECTION, after), after, []))
        except Expired:
            assert after < self.compacted
        else:
            assert after >= self.compacted or after == self.store.revision

    # --- what holds at any time

    @invariant()
    def the_objects_are_those_that_were_acknowledged_last(self) -> None:
        there = {key: (entry.revision, entry.object["text"]) for key, entry in self.store.items(COLLECTION)}
        newest = {change.key: change for change in self.history}
        assert there == {key: (each.revision, each.text) for key, each in newest.items() if each.text is not None}
        assert self.store.revision == (self.history[-1].revision if self.history else 0)

    @invariant()
    def every_watcher_sees_all_changes_once_and_in_order(self) -> None:
        for watcher, after, seen in self.watchers:
            for event in watcher.take():
                text = None if event.deleted else event.entry.object["text"]
                seen.append(Change(event.revision, event.key, text))
            assert seen == [change for change in self.history if change.revision > after]

    @invariant()
    def the_past_is_as_it_was(self) -> None:
        for revision in {self.compacted, self.store.revision}:
            then = {each.key: each.text for each in self.history if each.revision <= revision}
            found = {key: entry.object["text"] for key, entry in self.run(self.store.list_at(COLLECTION, revision))}
            assert found == {key: text for key, text in then.items() if text is not None}


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=25)
