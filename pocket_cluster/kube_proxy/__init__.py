"""kube-proxy: node ports and cluster addresses, and the choice of a pod for each new connection.

May live here: what listens, which endpoint a connection gets, carrying its bytes. May not: anything about HTTP. A real
kube-proxy never sees a request; it works on connections.
"""

from __future__ import annotations

import asyncio

from pocket_cluster.api.client import Client
from pocket_cluster.api.tasks import serve_until
from pocket_cluster.home import NODE_NAME, Home
from pocket_cluster.kube_proxy.proxy import Proxy


async def run(home: Home, stop: asyncio.Event) -> None:
    """Carry traffic until ``stop`` is set."""
    async with Client(home.credentials("kube-proxy"), "kube-proxy") as client:
        proxy = Proxy(client, home.addresses, NODE_NAME, home.proxy_mode)
        informers = (proxy.services, proxy.slices, proxy.settings)
        synced = asyncio.gather(*(informer.wait_synced() for informer in informers))
        endless = (*(informer.run() for informer in informers), proxy.run())
        try:
            await serve_until(stop, home.run_dir, "kube-proxy", synced, *endless)
        finally:
            proxy.close()
