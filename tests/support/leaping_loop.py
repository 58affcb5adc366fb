"""An event loop whose clock can leap: what a program does after five seconds, or a thousand, is seen at once.

A rule about time is tested with it where the time is the loop's own (``loop.time``, ``call_later``, ``asyncio.sleep``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class LeapingLoop(asyncio.SelectorEventLoop):
    """Time passes as everywhere, and ``leap`` adds to it."""

    _leapt = 0.0

    def time(self) -> float:
        return super().time() + self._leapt

    def leap(self, seconds: float) -> None:
        self._leapt += seconds


def leap(seconds: float) -> None:
    """Have so much time pass at once, for the loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    loop.leap(seconds)


def run_leaping(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on such a loop to its end."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(coroutine)
