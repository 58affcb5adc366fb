"""Waiting in tests for what a cluster, a process or a thread comes to: the one way, with one generous deadline.

The deadline only ends a hopeless wait and is no assertion: a machine that is busy may take its time. It is shorter than
pytest's own, so that what was seen last is said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

DEADLINE_SECONDS = 100.0
PAUSE_SECONDS = 0.02

Seen = TypeVar("Seen")


def eventually(
    look: Callable[[], Seen], what: str, *, so: Callable[[Seen], object] = bool, seconds: float = DEADLINE_SECONDS
) -> Seen:
    """What ``look`` returns as soon as ``so`` holds of it. AssertionError after ``seconds``: what was seen last."""
    deadline = time.monotonic() + seconds
    while not so(seen := look()):
        assert time.monotonic() < deadline, _in_vain(what, seen, seconds)
        time.sleep(PAUSE_SECONDS)
    return seen


async def eventually_async(
    look: Callable[[], Seen | Awaitable[Seen]],
    what: str,
    *,
    so: Callable[[Seen], object] = bool,
    seconds: float = DEADLINE_SECONDS,
) -> Seen:
    """The same where an event loop runs, which goes on meanwhile; ``look`` may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while not so(seen := await _seen(look())):
        assert time.monotonic() < deadline, _in_vain(what, seen, seconds)
        await asyncio.sleep(PAUSE_SECONDS)
    return seen


async def _seen(found: Seen | Awaitable[Seen]) -> Seen:
    return await found if isinstance(found, Awaitable) else found


def _in_vain(what: str, seen: object, seconds: float) -> str:
    return f"In {seconds:.0f} s it did not come to this: {what}. Seen last: {seen!r}"


def eventually_says(text: Callable[[], str], *words: str) -> str:
    """What ``text`` returns as soon as all of these words are in it."""
    return eventually(text, f"it says {words}", so=lambda said: all(each in said for each in words))
