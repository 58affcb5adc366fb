"""The Kubernetes API over HTTPS: storage, watches, validation, admission, discovery.

May live here: everything between a request and the stored object. A request walks one way: route → authenticate →
decode → default → admit → validate → store → encode. May not: any decision that a controller, the scheduler or a
kubelet takes.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from pocket_cluster.addresses import LOOPBACK
from pocket_cluster.api.resources import EVENTS
from pocket_cluster.apiserver.allocation import Allocator
from pocket_cluster.apiserver.bootstrap import create_first_objects
from pocket_cluster.apiserver.database import Database
from pocket_cluster.apiserver.deletion import Deleter
from pocket_cluster.apiserver.event_ttl import forget_old_events
from pocket_cluster.apiserver.kubelets import Kubelets
from pocket_cluster.apiserver.object_proxy import ObjectProxy
from pocket_cluster.apiserver.pod_logs import PodLogs
from pocket_cluster.apiserver.pod_streams import PodStreams
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.resource_handlers import PodConnections, ResourceHandlers
from pocket_cluster.apiserver.server import make_application
from pocket_cluster.apiserver.store import Store
from pocket_cluster.apiserver.writing import Writer
from pocket_cluster.health import say_that_it_serves
from pocket_cluster.home import Home
from pocket_cluster.strangers import Door

logger = logging.getLogger("pocket_cluster.apiserver")

# As etcd under a real API server: every five minutes what is older than five minutes is forgotten.
COMPACTION_SECONDS = 300
# Of a request line and of each header, in bytes. A real server takes a megabyte of headers in all.
LONGEST_LINE = 64 * 1024


async def run(home: Home, stop: asyncio.Event) -> None:
    """Serve the API on the home's port until ``stop`` is set."""
    store = Store(Database(home.database), seldom_read=[BY_RESOURCE[EVENTS].collection])
    writer = Writer(store, Allocator(store))
    await create_first_objects(writer, home.api_port)
    kubelets = Kubelets(store, home.credentials("admin").ca_file, home.kubelet_token)
    proxy = ObjectProxy(store, home.addresses.to_local_socket)
    connections = PodConnections(PodLogs(kubelets), PodStreams(kubelets), proxy)
    handlers = ResourceHandlers(store, writer, Deleter(store), connections)
    runner = web.AppRunner(
        make_application(handlers, home.tokens(), lambda transport: door.strangers.has_shown_a_token(transport)),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=0.5,
        auto_decompress=False,  # as a real server, which takes no notice of Content-Encoding
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
    )
    await runner.setup()
    assert runner.server
    door = Door((LOOPBACK, home.api_port), runner.server, home.server_ssl_context())
    logger.info("serving at %s", home.server)
    say_that_it_serves(home.run_dir, "apiserver")
    forgetting = [asyncio.create_task(_compact_for_ever(store)), asyncio.create_task(forget_old_events(store))]
    await stop.wait()
    for task in forgetting:
        task.cancel()
    door.close()
    await runner.cleanup()
    await kubelets.close()
    await proxy.close()
    await store.close()


async def _compact_for_ever(store: Store) -> None:
    before = store.revision
    while True:
        await asyncio.sleep(COMPACTION_SECONDS)
        previous, before = before, store.revision
        try:
            await store.compact(previous)
        except Exception:
            logger.exception("the past before revision %d is kept: it could not be compacted", previous)
