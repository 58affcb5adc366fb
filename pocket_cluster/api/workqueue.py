"""A work queue as controllers use it: one entry for each key, one worker at a time for it, back-off for failures.

The rules are those of client-go's util/workqueue: a key added while it is being worked on is worked on once more
afterwards; the delay of a failing key starts at 5 ms and doubles up to 30 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

FIRST_DELAY = 0.005
LONGEST_DELAY = 30.0


class WorkQueue:
    """Keys that wait to be worked on."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, key: str) -> None:
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._working:
            self._ready.put_nowait(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Add the key later. Of several times the earliest counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer and timer.when() <= loop.time() + seconds:
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._add_now, key)

    def _add_now(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: str) -> None:
        """Add the key again after a failure, later each time until ``forget``."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(FIRST_DELAY * 2**failures, LONGEST_DELAY))

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key; it is not handed out again before ``done``."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._waiting:
            self._ready.put_nowait(key)


async def run_workers(queue: WorkQueue, reconcile: Callable[[str], Awaitable[None]], workers: int, name: str) -> None:
    """Work on the queue for ever. A key whose work raises is logged in one line and tried again with back-off."""
    await asyncio.gather(*(_work(queue, reconcile, name) for _ in range(workers)))


async def _work(queue: WorkQueue, reconcile: Callable[[str], Awaitable[None]], name: str) -> None:
    while True:
        key = await queue.get()
        try:
            await reconcile(key)
            queue.forget(key)
        except Exception as error:
            logger.info("%s %s: %s: %s; trying again", name, key, type(error).__name__, error)
            logger.debug("%s %s", name, key, exc_info=True)
            queue.add_rate_limited(key)
        finally:
            queue.done(key)
