"""The node lifecycle controller: a node whose kubelet is silent is not ready, and taints say what is wrong with a node.

Rules: pkg/controller/nodelifecycle/node_lifecycle_controller.go, pkg/controller/util/node/controller_utils.go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pocket_cluster.api.objects import Object, condition, name, now, pod_is_ready, set_condition
from pocket_cluster.api.resources import LEASES, NODES, PODS
from pocket_cluster.controllers.controller import Controller, ignore_missing

GRACE_SECONDS = 50.0  # --node-monitor-grace-period
CHECK_SECONDS = 5.0  # --node-monitor-period
LEASE_NAMESPACE = "kube-node-lease"
SILENT = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
NEVER_SPOKE = {"reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status."}
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
TAINT_OF_CONDITION = {
    ("Ready", "False"): "node.kubernetes.io/not-ready",
    ("Ready", "Unknown"): "node.kubernetes.io/unreachable",
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OWN_TAINTS = {*TAINT_OF_CONDITION.values(), UNSCHEDULABLE}


class NodeLifecycleController(Controller):
    name = "node"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._heard: dict[str, float] = {}  # node → when a sign of life came, by this process's own clock
        self.nodes = self.informers.of(NODES)
        self.pods = self.informers.of(PODS)
        self.nodes.add_handler(self._node_changed)
        self.informers.of(LEASES).add_handler(self._lease_changed)

    def _node_changed(self, event: str, node: Object, old: Object | None) -> None:
        if event == "DELETED":
            self._heard.pop(name(node), None)
        elif old is None or condition(node, "Ready") != condition(old, "Ready"):
            self._hear(name(node))
        self.enqueue(event, node, old)

    def _lease_changed(self, event: str, lease: Object, _: Object | None) -> None:
        if lease["metadata"]["namespace"] == LEASE_NAMESPACE and event != "DELETED":
            self._hear(name(lease))

    def _hear(self, node: str) -> None:
        self._heard[node] = time.monotonic()

    async def reconcile(self, key: str) -> None:
        node = self.nodes.items.get(key)
        if node is None:
            return
        self.queue.add_after(key, CHECK_SECONDS)
        if time.monotonic() - self._heard.get(key, time.monotonic()) > GRACE_SECONDS:
            node = await self._mark_unknown(node)
        ready = condition(node, "Ready")
        if ready and ready["status"] != "True":
            await self._mark_pods_not_ready(key)
        await self._taint(node)

    async def _mark_unknown(self, node: Object) -> Object:
        changed = with_unknown_conditions(node)
        if changed == node:
            return node
        written = await self.client.update(NODES, changed, "status")
        self.nodes.remember(written)
        self.tell(NODES, node, "Normal", "NodeNotReady", f"Node {name(node)} status is now: NodeNotReady")
        return written

    async def _mark_pods_not_ready(self, node: str) -> None:
        for pod in [each for each in self.pods.items.values() if each["spec"].get("nodeName") == node]:
            if not pod_is_ready(pod):
                continue
            not_ready = {**(condition(pod, "Ready") or {}), "status": "False", "lastTransitionTime": now()}
            conditions = set_condition(pod["status"]["conditions"], not_ready)
            changed = {**pod, "status": {**pod["status"], "conditions": conditions}}
            await ignore_missing(self.client.update(PODS, changed, "status"))
            self.tell(PODS, pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Object) -> None:
        before = list((node.get("spec") or {}).get("taints") or [])
        wanted = wanted_taints(node, before)
        if wanted != before:
            spec = {**(node.get("spec") or {}), "taints": wanted}
            self.nodes.remember(await self.client.update(NODES, {**node, "spec": spec}))


def with_unknown_conditions(node: Object) -> Object:
    """The node as it looks when nothing is known of it any more; the same when that is said already."""
    status = node.get("status") or {}
    conditions = list(status.get("conditions") or [])
    for kind in JUDGED:
        before = condition(node, kind)
        if before is None:
            moment = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
            conditions.append({"type": kind, **SILENT, **NEVER_SPOKE, **moment})
        elif before["status"] != "Unknown":
            conditions = set_condition(conditions, {**before, **SILENT, "lastTransitionTime": now()})
    return {**node, "status": {**status, "conditions": conditions}}


def wanted_taints(node: Object, before: Sequence[Object]) -> list[Object]:
    """The node's taints, those that follow from its conditions brought up to date (doNoScheduleTaintingPass)."""
    conditions = (node.get("status") or {}).get("conditions") or []
    wanted = [TAINT_OF_CONDITION.get((each["type"], each["status"]), "") for each in conditions]
    wanted += [UNSCHEDULABLE] if (node.get("spec") or {}).get("unschedulable") else []
    kept = [
        taint
        for taint in before
        if taint["effect"] != "NoSchedule" or taint["key"] not in OWN_TAINTS or taint["key"] in wanted
    ]
    known = {taint["key"] for taint in kept if taint["effect"] == "NoSchedule"}
    new = [key for key in wanted if key and key not in known]
    return [*kept, *({"key": key, "effect": "NoSchedule", "timeAdded": now()} for key in new)]
