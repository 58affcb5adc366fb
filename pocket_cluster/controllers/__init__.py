"""The controllers: each brings one kind of object nearer to what its spec asks for.

May live here: one file for each controller, with its decision apart as a pure function of objects. May not: anything
that touches this machine; a controller knows the API alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pocket_cluster.api.client import Client
from pocket_cluster.api.tasks import serve_until
from pocket_cluster.controllers.controller import Controller, Informers
from pocket_cluster.controllers.deployment import DeploymentController
from pocket_cluster.controllers.endpoint_slice import EndpointSliceController
from pocket_cluster.controllers.endpoints import EndpointsController
from pocket_cluster.controllers.garbage_collector import GarbageCollector
from pocket_cluster.controllers.job import JobController
from pocket_cluster.controllers.namespace import NamespaceController
from pocket_cluster.controllers.node_lifecycle import NodeLifecycleController
from pocket_cluster.controllers.replica_set import ReplicaSetController
from pocket_cluster.controllers.service_account import ServiceAccountController
from pocket_cluster.home import Home

WITHOUT_OPTIONS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    JobController,
    EndpointSliceController,
    EndpointsController,
    NamespaceController,
    GarbageCollector,
    NodeLifecycleController,
)


async def run(home: Home, stop: asyncio.Event) -> None:
    """Run all controllers until ``stop`` is set."""
    credentials = home.credentials("controller-manager")
    async with Client(credentials, "kube-controller-manager") as client:
        informers = Informers(client)
        controllers: list[Controller] = [kind(client, informers) for kind in WITHOUT_OPTIONS]
        controllers.append(ServiceAccountController(client, informers, Path(credentials.ca_file)))
        endless = (informers.run(), *(controller.run() for controller in controllers))
        await serve_until(stop, home.run_dir, "controllers", informers.wait_synced(), *endless)
