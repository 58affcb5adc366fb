"""Running what never ends by itself until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_until(stop: asyncio.Event, *endless: Coroutine[Any, Any, Any]) -> None:
    """Run the coroutines until ``stop`` is set, then cancel them. What one of them raises ends all and is raised."""
    tasks = [asyncio.ensure_future(each) for each in (stop.wait(), *endless)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
