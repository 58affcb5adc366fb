"""The node lifecycle controller: a node whose kubelet is silent is not ready (pkg/controller/nodelifecycle)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.objects import Object, condition, key, name, now, parse_time, set_condition
from pocket_cluster.api.resources import LEASES, NODES, PODS
from pocket_cluster.controllers.controller import Controller, ignore_missing

GRACE_SECONDS = 50.0  # --node-monitor-grace-period
CHECK_SECONDS = 5.0  # --node-monitor-period
LEASE_NAMESPACE = "kube-node-lease"
SILENT = "Kubelet stopped posting node status."


class NodeLifecycleController(Controller):
    name = "node"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.nodes = self.informers.of(NODES)
        self.leases = self.informers.of(LEASES)
        self.pods = self.informers.of(PODS)
        self.nodes.add_handler(self.enqueue)

    async def reconcile(self, key: str) -> None:
        node = self.nodes.items.get(key)
        if node is None:
            return
        self.queue.add_after(key, CHECK_SECONDS)
        ready = condition(node, "Ready")
        if ready and ready["status"] != "Unknown" and self._is_silent(node):
            await self._mark_unknown(node)

    def _is_silent(self, node: Object) -> bool:
        lease = self.leases.items.get(f"{LEASE_NAMESPACE}/{name(node)}")
        renewed = (lease or {}).get("spec", {}).get("renewTime") or node["metadata"]["creationTimestamp"]
        return (datetime.now(UTC) - parse_time(renewed)).total_seconds() > GRACE_SECONDS

    async def _mark_unknown(self, node: Object) -> None:
        conditions = (node.get("status") or {}).get("conditions") or []
        unknown = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": SILENT, "lastTransitionTime": now()}
        changed = [{**each, **unknown} for each in conditions]
        await self.client.update(NODES, {**node, "status": {**node["status"], "conditions": changed}}, "status")
        self.tell(NODES, node, "Normal", "NodeNotReady", f"Node {name(node)} status is now: NodeNotReady")
        for pod in [pod for pod in self.pods.items.values() if pod["spec"].get("nodeName") == key(node)]:
            await self._mark_not_ready(pod)

    async def _mark_not_ready(self, pod: Object) -> None:
        status = pod.get("status") or {}
        not_ready = {"type": "Ready", "status": "False", "lastProbeTime": None, "lastTransitionTime": now()}
        conditions = set_condition(status.get("conditions") or [], not_ready)
        await ignore_missing(
            self.client.update(PODS, {**pod, "status": {**status, "conditions": conditions}}, "status")
        )
