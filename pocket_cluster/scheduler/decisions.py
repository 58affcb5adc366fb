"""Which node a pod gets, or why none. Pure.

Rules and wording: pkg/scheduler/framework/plugins/* and framework/types.go (FitError).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from pocket_cluster.api.objects import Object, condition, labels, name
from pocket_cluster.api.quantity import parse as quantity

NO_PREEMPTION = "No preemption victims found for incoming pod."
NOT_HELPFUL = "Preemption is not helpful for scheduling."


class Choice(NamedTuple):
    """The node, or the sentence that says why there is none."""

    node: str
    message: str = ""


def choose_node(pod: Object, nodes: Sequence[Object], pods: Sequence[Object]) -> Choice:
    """The node with the fewest pods of those where the pod fits; ``pods`` are all that have a node."""
    refusals: Counter[str] = Counter()
    fitting = []
    preemption_may_help = False
    for node in nodes:
        there = [each for each in pods if each["spec"].get("nodeName") == name(node)]
        reasons, is_lasting = refuse(pod, node, there)
        if reasons:
            refusals.update(reasons)
            preemption_may_help = preemption_may_help or not is_lasting
        else:
            fitting.append((len(there), name(node)))
    if fitting:
        return Choice(min(fitting)[1])
    return Choice("", _no_node(len(nodes), refusals, preemption_may_help))


def _no_node(number: int, refusals: Counter[str], preemption_may_help: bool) -> str:
    if not number:
        return "no nodes available to schedule pods"
    why = ", ".join(sorted(f"{count} {reason}" for reason, count in refusals.items()))
    advice = NO_PREEMPTION if preemption_may_help else NOT_HELPFUL
    return f"0/{number} nodes are available: {why}. preemption: 0/{number} nodes are available: {number} {advice}"


def refuse(pod: Object, node: Object, there: Sequence[Object]) -> tuple[list[str], bool]:
    """Why the pod cannot run on the node (nothing when it can), and whether evicting others would not change that."""
    for check in (_is_unschedulable, _other_node, _taints, _selector):
        reason = check(pod, node)
        if reason:
            return [reason], True
    ports = _port_conflict(pod, there)
    if ports:
        return [ports], False
    return _lacking(pod, node, there), False


def _is_unschedulable(pod: Object, node: Object) -> str:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if not (node.get("spec") or {}).get("unschedulable") or _is_tolerated(pod, taint):
        return ""
    return "node(s) were unschedulable"


def _other_node(pod: Object, node: Object) -> str:
    wanted = pod["spec"].get("nodeName")
    return "node(s) didn't match the requested node name" if wanted and wanted != name(node) else ""


def _taints(pod: Object, node: Object) -> str:
    taints = list((node.get("spec") or {}).get("taints") or [])
    ready = condition(node, "Ready")
    if not ready or ready["status"] != "True":
        kind = "not-ready" if ready and ready["status"] == "False" else "unreachable"
        taints.append({"key": f"node.kubernetes.io/{kind}", "effect": "NoSchedule"})
    for taint in taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _is_tolerated(pod, taint):
            value = f": {taint['value']}" if taint.get("value") else ": "
            return f"node(s) had untolerated taint {{{taint['key']}{value}}}"
    return ""


def _is_tolerated(pod: Object, taint: Mapping[str, str]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in pod["spec"].get("tolerations") or [])


def _tolerates(toleration: Mapping[str, str], taint: Mapping[str, str]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def _selector(pod: Object, node: Object) -> str:
    wanted = pod["spec"].get("nodeSelector") or {}
    found = labels(node)
    if all(found.get(key) == value for key, value in wanted.items()):
        return ""
    return "node(s) didn't match Pod's node affinity/selector"


def _port_conflict(pod: Object, there: Sequence[Object]) -> str:
    taken = {port for other in there for port in _host_ports(other)}
    free = "node(s) didn't have free ports for the requested pod ports"
    return free if taken & _host_ports(pod) else ""


def _host_ports(pod: Object) -> set[tuple[str, int]]:
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in pod["spec"].get("containers") or []
        for port in container.get("ports") or []
        if port.get("hostPort")
    }


def _lacking(pod: Object, node: Object, there: Sequence[Object]) -> list[str]:
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    lacking = []
    if len(there) + 1 > int(allocatable.get("pods", 110)):
        lacking.append("Too many pods")
    for resource, amount in requests(pod).items():
        used = sum((requests(other).get(resource, Fraction(0)) for other in there), Fraction(0))
        if used + amount > quantity(str(allocatable.get(resource, "0"))):
            lacking.append(f"Insufficient {resource}")
    return lacking


def requests(pod: Object) -> dict[str, Fraction]:
    """What the pod's containers ask for together; one init container may ask for more than all of them."""
    total: dict[str, Fraction] = {}
    for container in pod["spec"].get("containers") or []:
        for resource, amount in _requested(container).items():
            total[resource] = total.get(resource, Fraction(0)) + amount
    for container in pod["spec"].get("initContainers") or []:
        for resource, amount in _requested(container).items():
            total[resource] = max(total.get(resource, Fraction(0)), amount)
    return total


def _requested(container: Object) -> dict[str, Fraction]:
    asked = (container.get("resources") or {}).get("requests") or {}
    return {resource: quantity(str(amount)) for resource, amount in asked.items()}
