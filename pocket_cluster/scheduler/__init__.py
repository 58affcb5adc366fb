"""The scheduler: gives each pod a node, or says why it cannot.

May live here: filters, the choice of a node, binding. May not: anything about how a pod runs.
"""

from __future__ import annotations

import asyncio

from pocket_cluster.api.client import Client, Credentials
from pocket_cluster.api.tasks import run_until
from pocket_cluster.home import Home
from pocket_cluster.scheduler.scheduler import Scheduler


async def run(home: Home, stop: asyncio.Event) -> None:
    """Schedule until ``stop`` is set."""
    await run_scheduler(home.credentials("scheduler"), stop)


async def run_scheduler(credentials: Credentials, stop: asyncio.Event) -> None:
    """The same against any API server."""
    async with Client(credentials, "kube-scheduler") as client:
        await run_until(stop, Scheduler(client).run())
