"""Runs the pods of this node as processes of this machine.

May live here: images and how they are built, the pod runtime and what happens inside a pod's process (network and path
translation), pod workers, probes, logs, volumes, the node's own object, the kubelet's HTTPS API.
May not: decisions about how many pods there are or where they run.

Importing this package costs nothing: the pod runtime and the image builder are used without the rest.
"""

from __future__ import annotations

import asyncio

from pocket_cluster.home import Home


async def run(home: Home, stop: asyncio.Event) -> None:
    """Register the node and run its pods until ``stop`` is set."""
    from pocket_cluster.kubelet.agent import run_agent

    await run_agent(home, stop)
