"""Running what never ends by itself until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

from pocket_cluster.health import say_that_it_serves


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


async def serve_until(
    stop: asyncio.Event, run_dir: Path, component: str, synced: Awaitable[Any], *endless: Coroutine[Any, Any, Any]
) -> None:
    """The same of a component, which is noted to serve as soon as it is ``synced``."""

    async def say_when_synced() -> None:
        await synced
        say_that_it_serves(run_dir, component)
        await stop.wait()

    await run_until(stop, say_when_synced(), *endless)
