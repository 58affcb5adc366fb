"""The Node object: what this machine is, that it is ready, and a Lease that says so every ten seconds."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import sys
import uuid
from pathlib import Path

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.objects import Object, now, now_micro, owner_reference, set_condition
from pocket_cluster.api.resources import LEASES, NODES
from pocket_cluster.home import KUBERNETES_VERSION, NODE_NAME, Home
from pocket_cluster.kubelet.environment import total_memory
from pocket_cluster.kubelet.images import list_images, normalise
from pocket_cluster.kubelet.node_services import TROUBLE
from pocket_cluster.kubelet.status import HOST_ADDRESS

logger = logging.getLogger("pocket_cluster.kubelet")

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 10.0  # nodeLeaseDurationSeconds / 4
STATUS_SECONDS = 300.0  # nodeStatusReportFrequency
RETRY_SECONDS = 0.02
MOST_PODS = 250
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


class NodeReporter:
    """Registers the node and keeps it ready in the eyes of the others."""

    def __init__(self, home: Home, client: Client, port: int) -> None:
        self._home = home
        self._client = client
        self._port = port

    async def register(self) -> None:
        """Make the Node or bring it up to date; waits for an API server that is only starting."""
        while True:
            try:
                await self._report()
                return
            except TROUBLE as error:
                logger.info("the node is not registered yet: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def keep_ready(self) -> None:
        """Renew the Lease for ever, and the status now and then."""
        while True:
            for _ in range(int(STATUS_SECONDS / LEASE_SECONDS)):
                try:
                    await self._renew()
                except TROUBLE as error:
                    logger.info("the lease was not renewed: %s", error)
                await asyncio.sleep(LEASE_SECONDS)
            await self.register()

    async def _report(self) -> None:
        try:
            node = await self._client.get(NODES, NODE_NAME)
        except ApiError as error:
            if error.code != 404:
                raise
            node = await self._client.create(NODES, {"metadata": _metadata(), "spec": {}})
        status = node_status(self._home, self._port, node)
        await self._client.patch(NODES, NODE_NAME, {"status": status}, subresource="status")

    async def _renew(self) -> None:
        spec = {"holderIdentity": NODE_NAME, "leaseDurationSeconds": 40, "renewTime": now_micro()}
        try:
            await self._client.patch(LEASES, NODE_NAME, {"spec": spec}, LEASE_NAMESPACE)
        except ApiError as error:
            if error.code != 404:
                raise
            owner = owner_reference(NODES, await self._client.get(NODES, NODE_NAME), controller=False)
            metadata = {"name": NODE_NAME, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
            await self._client.create(LEASES, {"metadata": metadata, "spec": spec}, LEASE_NAMESPACE)


def _architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _metadata() -> Object:
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
    labels = {"kubernetes.io/arch": _architecture(), "kubernetes.io/os": system}
    labels |= {key.replace("kubernetes.io", "beta.kubernetes.io"): value for key, value in labels.items()}
    return {"name": NODE_NAME, "labels": labels | {"kubernetes.io/hostname": NODE_NAME}}


def node_status(home: Home, port: int, node: Object) -> Object:
    """The whole status of a node whose kubelet listens on that port."""
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{total_memory() // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(home.path).total // 1024}Ki",
        "pods": str(MOST_PODS),
    }
    return {
        "addresses": [
            {"type": "InternalIP", "address": HOST_ADDRESS},
            {"type": "Hostname", "address": NODE_NAME},
        ],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": _conditions(node),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "images": [{"names": [normalise(image.name)]} for image in list_images(home)],
        "nodeInfo": _node_info(),
    }


def _conditions(node: Object) -> list[Object]:
    moment = now()
    fresh: list[Object] = [
        {"type": kind, "status": "False", "reason": reason, "message": message} for kind, reason, message in PRESSURES
    ]
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    conditions = (node.get("status") or {}).get("conditions") or []
    for condition in [*fresh, ready]:
        times = {"lastHeartbeatTime": moment, "lastTransitionTime": moment}
        conditions = set_condition(conditions, {**condition, **times})
    return conditions


def _node_info() -> Object:
    machine = _first_line("/etc/machine-id") or uuid.UUID(int=uuid.getnode()).hex
    return {
        "architecture": _architecture(),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": f"pocket://{platform.python_version()}",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": KUBERNETES_VERSION,
        "machineID": machine,
        "operatingSystem": sys.platform,
        "osImage": _os_image(),
        "systemUUID": machine,
    }


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.platform(terse=True)


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
