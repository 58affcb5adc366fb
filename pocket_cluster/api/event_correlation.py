"""Which of many similar events are told: nine of a kind, then one for all others; of one object 25 at once at most.

Rules: client-go, tools/record/events_cache.go (EventAggregator, EventSourceObjectSpamFilter).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

MOST_SIMILAR = 10
SIMILAR_SECONDS = 600.0
BURST = 25
SECONDS_PER_TOKEN = 300.0
REMEMBERED = 4096

Key = TypeVar("Key")
Memory = TypeVar("Memory")


class Told(NamedTuple):
    """What to write: the key under which repetitions are counted, and the message."""

    key: tuple[str, ...]
    message: str


@dataclass(slots=True)
class _Kind:
    """Events about one object that differ in their message alone."""

    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass(slots=True)
class _Allowance:
    """How many events an object may still cause; one comes back every five minutes."""

    tokens: float = BURST
    last: float | None = None


class Correlator:
    """Remembers what was told lately. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, ...], _Kind] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()

    def correlate(self, about: str, kind: tuple[str, ...], message: str) -> Told | None:
        """``about`` is the object's UID, ``kind`` what the event says besides its message. None: do not tell."""
        told = self._aggregate((about, *kind), message)
        return told if self._allows(about) else None

    def _aggregate(self, kind: tuple[str, ...], message: str) -> Told:
        now, similar = self._clock(), _recall(self._kinds, kind, _Kind)
        if now - similar.last > SIMILAR_SECONDS:
            similar.messages.clear()
        similar.last = now
        self._forget_quiet_kinds(now)
        if message in similar.messages or len(similar.messages) < MOST_SIMILAR - 1:
            similar.messages.add(message)
            return Told((*kind, message), message)
        return Told(kind, f"(combined from similar events): {message}")

    def _forget_quiet_kinds(self, now: float) -> None:
        """Those that would begin anew anyway; the order is that of when each was told last."""
        while now - next(iter(self._kinds.values())).last > SIMILAR_SECONDS:
            self._kinds.popitem(last=False)

    def _allows(self, about: str) -> bool:
        now, allowance = self._clock(), _recall(self._allowances, about, _Allowance)
        gained = 0.0 if allowance.last is None else (now - allowance.last) / SECONDS_PER_TOKEN
        allowance.tokens, allowance.last = min(BURST, allowance.tokens + gained), now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True


def _recall(memories: OrderedDict[Key, Memory], key: Key, new: Callable[[], Memory]) -> Memory:
    memory = memories.setdefault(key, new())
    memories.move_to_end(key)
    if len(memories) > REMEMBERED:
        memories.popitem(last=False)
    return memory
