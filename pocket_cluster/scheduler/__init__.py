"""The scheduler: gives each pod a node, or says why it cannot.

May live here: filters, the choice of a node, binding. May not: anything about how a pod runs.
"""

from __future__ import annotations

import asyncio

from pocket_cluster.api.client import Client
from pocket_cluster.api.tasks import serve_until
from pocket_cluster.home import Home
from pocket_cluster.scheduler.scheduler import Scheduler


async def run(home: Home, stop: asyncio.Event) -> None:
    """Schedule until ``stop`` is set."""
    async with Client(home.credentials("scheduler"), "kube-scheduler") as client:
        scheduler = Scheduler(client)
        await serve_until(stop, home.run_dir, "scheduler", scheduler.wait_synced(), scheduler.run())
