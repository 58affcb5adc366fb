"""How many pods a Deployment may have at a time. Pure.

Rules: pkg/controller/deployment/util/deployment_util.go (ResolveFenceposts, NewRSNewReplicas, GetReplicaSetProportion).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pocket_cluster.api.numbers import whole_number
from pocket_cluster.api.objects import Object, annotations_of, name

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


def replica_count(obj: Object) -> int:
    """How many pods the object asks for."""
    return int(obj["spec"].get("replicas", 0))


def observed(obj: Object, field: str) -> int:
    """A number in the object's status."""
    return int((obj.get("status") or {}).get(field) or 0)


def recreates(deployment: Object) -> bool:
    return (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"


def surge_and_unavailable(deployment: Object) -> tuple[int, int]:
    """How many pods more than wanted there may be, and how many fewer; both 0 would be a standstill."""
    if recreates(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = replica_count(deployment)
    surge = _resolve(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _resolve(value: Any, total: int, round_up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        hundredths = total * (whole_number(value[:-1]) or 0)
        return -(-hundredths // 100) if round_up else hundredths // 100
    return int(value or 0)


def least_available(deployment: Object) -> int:
    return replica_count(deployment) - surge_and_unavailable(deployment)[1]


def most_pods(deployment: Object) -> int:
    return replica_count(deployment) + surge_and_unavailable(deployment)[0]


def set_sizes(replica_set: Object, deployment: Object) -> None:
    """Note on the ReplicaSet for which size of the Deployment it was made."""
    sizes = {DESIRED: str(replica_count(deployment)), MAXIMUM: str(most_pods(deployment))}
    replica_set["metadata"]["annotations"] = {**annotations_of(replica_set), **sizes}


def was_resized(deployment: Object, replica_sets: Sequence[Object]) -> bool:
    """Whether an active ReplicaSet still knows another size of the Deployment (isScalingEvent)."""
    active = [each for each in replica_sets if replica_count(each) > 0]
    known = [_number(each, DESIRED) for each in active]
    return any(size is not None and size != replica_count(deployment) for size in known)


def _number(replica_set: Object, annotation: str) -> int | None:
    return whole_number(annotations_of(replica_set).get(annotation, ""))


def is_saturated(deployment: Object, new: Object | None) -> bool:
    """Whether the new ReplicaSet has all the pods that the Deployment wants, and all are available."""
    wanted = replica_count(deployment)
    if new is None or replica_count(new) != wanted:
        return False
    return _number(new, DESIRED) == wanted and observed(new, "availableReplicas") == wanted


def size_of_new(deployment: Object, old: Sequence[Object], present: int) -> int:
    """How many pods the new ReplicaSet may have now, when it has ``present`` (NewRSNewReplicas)."""
    wanted = replica_count(deployment)
    if recreates(deployment):
        return wanted
    room = most_pods(deployment) - sum(map(replica_count, old)) - present
    return present if room <= 0 else present + min(room, wanted - present)


def in_proportion(deployment: Object, oldest_first: Sequence[Object]) -> dict[str, int]:
    """New sizes of the active ReplicaSets by name: what is added or removed is shared by size.

    The largest gets what rounding leaves over; of equally large ones the newest grows, the oldest shrinks first.
    """
    allowed = most_pods(deployment) if replica_count(deployment) else 0
    left = allowed - sum(map(replica_count, oldest_first))
    if not left:
        return {name(each): replica_count(each) for each in oldest_first}
    tie_order = list(reversed(oldest_first)) if left > 0 else list(oldest_first)
    ordered = sorted(tie_order, key=replica_count, reverse=True)
    sizes = {}
    for each in ordered:
        share = _share(each, deployment, left)
        sizes[name(each)] = replica_count(each) + share
        left -= share
    largest = name(ordered[0])
    sizes[largest] = max(0, sizes[largest] + left)
    return sizes


def _share(replica_set: Object, deployment: Object, left: int) -> int:
    """A ReplicaSet's part of what is left to add (positive) or remove (GetReplicaSetProportion)."""
    fraction = _fraction(replica_set, deployment)
    return min(fraction, left) if left > 0 else max(fraction, left)


def _fraction(replica_set: Object, deployment: Object) -> int:
    size = replica_count(replica_set)
    if not replica_count(deployment):
        return -size
    before = _number(replica_set, MAXIMUM) or observed(deployment, "replicas")
    if not before:
        return 0
    return math.floor(size * most_pods(deployment) / before + 0.5) - size
