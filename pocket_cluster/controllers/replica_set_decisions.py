"""Which pods a ReplicaSet lacks, which it has too many of, and what its status says. Pure.

Rules: pkg/controller/replicaset/replica_set.go, replica_set_utils.go and pkg/controller/controller_utils.go.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cmp_to_key
from typing import Any, NamedTuple

from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    condition,
    is_being_deleted,
    labels,
    owner_reference,
    parse_time,
    pod_is_active,
    pod_is_ready,
    time_text,
    uid,
)
from pocket_cluster.api.resources import REPLICA_SETS

BURST = 500
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


class Failure(NamedTuple):
    """Why pods could not be created or deleted: FailedCreate or FailedDelete, and the API's sentence."""

    reason: str
    message: str


def surplus(replica_set: Object, active: Sequence[Object]) -> int:
    """How many pods are to be deleted, or (negative) created, at once."""
    difference = len(active) - int(replica_set["spec"].get("replicas", 0))
    return max(-BURST, min(BURST, difference))


def first_to_go(active: Sequence[Object], related: Iterable[Object], moment: datetime) -> list[Object]:
    """The pods in the order in which they are deleted (ActivePodsWithRanks).

    ``related`` are the pods of all ReplicaSets with the same owner: the more of them are on a pod's node, the sooner
    that pod goes.
    """
    crowd = Counter(pod["spec"].get("nodeName") for pod in related if pod_is_active(pod))

    def compare(one: Object, other: Object) -> int:
        return (
            _compare(_rank(one, crowd), _rank(other, crowd))
            or _compare_ages(one, other, _ready_since(one), _ready_since(other), moment)
            or _compare(_restarts(other), _restarts(one))
            or _compare_ages(one, other, _created(one), _created(other), moment)
        )

    return sorted(active, key=cmp_to_key(compare))


def _compare(one: Any, other: Any) -> int:
    return bool(one > other) - bool(one < other)


def _rank(pod: Object, crowd: Counter[str | None]) -> tuple[Any, ...]:
    """Without a node, not running, not ready, cheap, crowded: those first."""
    node = pod["spec"].get("nodeName")
    phase = PHASE_RANK.get((pod.get("status") or {}).get("phase", ""), 0)
    return bool(node), phase, pod_is_ready(pod), _deletion_cost(pod), -crowd[node]


def _deletion_cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, 0))
    except ValueError:
        return 0


def _compare_ages(one: Object, other: Object, since: str, other_since: str, moment: datetime) -> int:
    """The younger first, but only by powers of two, so that it is not always the newest; then by UID."""
    if since == other_since:
        return 0
    if not since or not other_since:
        return _compare(bool(since), bool(other_since))
    return _compare(_magnitude(since, moment), _magnitude(other_since, moment)) or _compare(uid(one), uid(other))


def _magnitude(since: str, moment: datetime) -> int:
    nanoseconds = (moment - parse_time(since)).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def _ready_since(pod: Object) -> str:
    ready = condition(pod, "Ready")
    return str(ready.get("lastTransitionTime") or "") if ready and ready.get("status") == "True" else ""


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _restarts(pod: Object) -> tuple[int, int]:
    """Most restarts of a container, then of a sidecar."""
    status = pod.get("status") or {}
    sidecars = {
        each["name"] for each in pod["spec"].get("initContainers") or [] if each.get("restartPolicy") == "Always"
    }
    ordinary = [each.get("restartCount", 0) for each in status.get("containerStatuses") or []]
    beside = [
        each.get("restartCount", 0) for each in status.get("initContainerStatuses") or [] if each["name"] in sidecars
    ]
    return max(ordinary, default=0), max(beside, default=0)


def new_pod(replica_set: Object) -> Object:
    """A pod from the template, owned by the ReplicaSet."""
    template = replica_set["spec"]["template"]
    metadata = template.get("metadata") or {}
    kept = {field: metadata[field] for field in ("labels", "annotations", "finalizers") if metadata.get(field)}
    return {
        "metadata": {
            **kept,
            "generateName": replica_set["metadata"]["name"] + "-",
            "namespace": replica_set["metadata"]["namespace"],
            "ownerReferences": [owner_reference(REPLICA_SETS, replica_set)],
        },
        "spec": template.get("spec") or {},
    }


def new_status(
    replica_set: Object, active: Sequence[Object], ending: int, moment: datetime, failure: Failure | None = None
) -> Object:
    """The status after a look at the pods: ``active`` ones, and the number of those that are ending."""
    template_labels = labels(replica_set["spec"]["template"])
    ready = [pod for pod in active if pod_is_ready(pod)]
    wait = min_ready_seconds(replica_set)
    counts = {
        "fullyLabeledReplicas": sum(template_labels.items() <= labels(pod).items() for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(seconds_until_available(pod, wait, moment) <= 0 for pod in ready),
    }
    conditions = _conditions(replica_set, moment, failure)
    return {
        "replicas": len(active),
        **{field: number for field, number in counts.items() if number},
        "terminatingReplicas": ending,
        "observedGeneration": replica_set["metadata"].get("generation", 1),
        **({"conditions": conditions} if conditions else {}),
    }


def min_ready_seconds(replica_set: Object) -> int:
    return int(replica_set["spec"].get("minReadySeconds", 0))


def is_ending(pod: Object) -> bool:
    """Being deleted, and not finished yet (IsPodTerminating)."""
    return is_being_deleted(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def seconds_until_available(pod: Object, wait: int, moment: datetime) -> float:
    """How long a ready pod must still be ready to count as available; 0 or less when it does (IsPodAvailable)."""
    since = _ready_since(pod)
    if not wait:
        return 0.0
    return wait - (moment - parse_time(since)).total_seconds() if since else float(wait)


def seconds_to_next_look(replica_set: Object, active: Sequence[Object], moment: datetime) -> float | None:
    """When the next ready pod becomes available, if one has to wait for that."""
    wait = min_ready_seconds(replica_set)
    times = [seconds_until_available(pod, wait, moment) for pod in active if pod_is_ready(pod)]
    return min((seconds for seconds in times if seconds > 0), default=None)


def _conditions(replica_set: Object, moment: datetime, failure: Failure | None) -> list[Object]:
    before = (replica_set.get("status") or {}).get("conditions") or []
    others = [each for each in before if each["type"] != "ReplicaFailure"]
    if failure is None:
        return others
    if len(others) < len(before):
        return list(before)
    since = time_text(moment)
    failed = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": since, **failure._asdict()}
    return [*others, failed]
