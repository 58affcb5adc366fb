"""Which node a pod gets, or why none. Pure.

Rules and wording: pkg/scheduler/framework/plugins/* and framework/types.go (FitError).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pocket_cluster.api.objects import Object, condition, labels, name
from pocket_cluster.scheduler.affinity import refuse_by_affinity, selects_node
from pocket_cluster.scheduler.room import Room

NO_VICTIMS = "No preemption victims found for incoming pod."
NOT_HELPFUL = "Preemption is not helpful for scheduling."
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
NOT_READY = {"False": "node.kubernetes.io/not-ready", "Unknown": "node.kubernetes.io/unreachable"}


class Choice(NamedTuple):
    """The node, or the sentence that says why there is none."""

    node: str
    message: str = ""


class Refusal(NamedTuple):
    """Why a pod cannot run on a node, and whether it could if others were evicted."""

    reasons: Sequence[str]
    others_are_in_the_way: bool = False


def choose_node(pod: Object, rooms: Sequence[Room]) -> Choice:
    """The emptiest of the nodes on which the pod fits."""
    refusals = [(room, refuse(pod, room, rooms)) for room in rooms]
    fitting = [room for room, refusal in refusals if refusal is None]
    if fitting:
        return Choice(name(min(fitting, key=lambda room: (room.crowding(), name(room.node))).node))
    return Choice("", _no_node([refusal for _, refusal in refusals if refusal]))


def _no_node(refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return "no nodes available to schedule pods"
    none = f"0/{len(refusals)} nodes are available"
    advice = Counter(NO_VICTIMS if refusal.others_are_in_the_way else NOT_HELPFUL for refusal in refusals)
    why = Counter(reason for refusal in refusals for reason in refusal.reasons)
    # "no new claims" is what the real one's plugin for dynamic resources adds, whether a pod claims any or not.
    return f"{none}: {_histogram(why)}. no new claims to deallocate, preemption: {none}: {_histogram(advice)}"


def _histogram(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))


def refuse(pod: Object, room: Room, rooms: Sequence[Room]) -> Refusal | None:
    """The first filter that refuses the pod on this node, in the real one's order; None when it fits."""
    for check in (_unschedulable, _other_node, _untolerated_taint, _not_selected):
        reason = check(pod, room.node)
        if reason:
            return Refusal([reason])
    if room.ports_taken_for(pod):
        return Refusal(["node(s) didn't have free ports for the requested pod ports"], True)
    lacking = room.lacking_for(pod)
    if lacking:
        return Refusal(lacking, not room.is_too_small_for(pod))
    by_affinity = refuse_by_affinity(pod, room.node, [(each.node, each.pods) for each in rooms])
    return Refusal([by_affinity.reason], by_affinity.others_are_in_the_way) if by_affinity else None


def _unschedulable(pod: Object, node: Object) -> str:
    if not (node.get("spec") or {}).get("unschedulable") or _is_tolerated(pod, UNSCHEDULABLE):
        return ""
    return "node(s) were unschedulable"


def _other_node(pod: Object, node: Object) -> str:
    wanted = pod["spec"].get("nodeName")
    return "node(s) didn't match the requested node name" if wanted and wanted != name(node) else ""


def _untolerated_taint(pod: Object, node: Object) -> str:
    """Taints that follow from the node's state are judged by that state: the taint may still be on its way."""
    taints = [each for each in (node.get("spec") or {}).get("taints") or [] if not _follows_from_state(each)]
    ready = condition(node, "Ready") or {"status": "False"}
    if ready["status"] in NOT_READY:
        taints.append({"key": NOT_READY[ready["status"]], "effect": "NoSchedule"})
    for taint in taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _is_tolerated(pod, taint):
            return "node(s) had untolerated taint(s)"
    return ""


def _follows_from_state(taint: Mapping[str, str]) -> bool:
    return taint.get("effect") == "NoSchedule" and taint["key"] in (UNSCHEDULABLE["key"], *NOT_READY.values())


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


def _not_selected(pod: Object, node: Object) -> str:
    wanted, found = pod["spec"].get("nodeSelector") or {}, labels(node)
    if wanted.items() <= found.items() and selects_node(pod, node):
        return ""
    return "node(s) didn't match Pod's node affinity/selector"
