"""Which pods a ReplicaSet lacks, which it has too many of, and what its status says. Pure.

Rules: pkg/controller/replicaset/replica_set.go, replica_set_utils.go and pkg/controller/controller_utils.go.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    condition,
    controller_of,
    is_being_deleted,
    labels,
    now,
    owner_reference,
    parse_time,
    pod_is_active,
    pod_is_ready,
    uid,
)
from pocket_cluster.api.resources import REPLICA_SETS
from pocket_cluster.api.selectors import from_label_selector_object

BURST = 500
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}
LONG_AGO = "1970-01-01T00:00:00Z"


class Decision(NamedTuple):
    """How many pods to create, and which to delete."""

    create: int
    delete: list[Object]


def decide(replica_set: Object, pods: Sequence[Object], related: Sequence[Object], moment: datetime) -> Decision:
    """``pods`` are the active ones of this ReplicaSet; ``related`` all pods of its owner, to spread by node."""
    difference = len(pods) - int(replica_set["spec"].get("replicas", 0))
    if difference < 0:
        return Decision(min(-difference, BURST), [])
    return Decision(0, first_to_go(pods, related, moment)[: min(difference, BURST)])


def first_to_go(pods: Sequence[Object], related: Sequence[Object], moment: datetime) -> list[Object]:
    """The pods in the order in which they are deleted (ActivePodsWithRanks)."""
    crowd = Counter(pod["spec"].get("nodeName") for pod in related if pod_is_active(pod))

    def rank(pod: Object) -> tuple[Any, ...]:
        status = pod.get("status") or {}
        return (
            bool(pod["spec"].get("nodeName")),
            PHASE_RANK.get(status.get("phase", ""), 2),
            pod_is_ready(pod),
            _deletion_cost(pod),
            -crowd[pod["spec"].get("nodeName")],
            _age_bucket(_ready_since(pod), moment),
            -max((each.get("restartCount", 0) for each in status.get("containerStatuses") or []), default=0),
            _age_bucket(pod["metadata"].get("creationTimestamp", LONG_AGO), moment),
            uid(pod),
        )

    return sorted(pods, key=rank)


def _deletion_cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, 0))
    except ValueError:
        return 0


def _ready_since(pod: Object) -> str:
    ready = condition(pod, "Ready")
    return ready.get("lastTransitionTime", LONG_AGO) if ready and ready.get("status") == "True" else LONG_AGO


def _age_bucket(moment: str, now: datetime) -> int:
    """Ages are compared by the powers of two of their seconds, so that none is always the first to go."""
    seconds = (now - parse_time(moment)).total_seconds()
    return int(math.log2(seconds)) if seconds >= 1 else 0


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


def new_status(replica_set: Object, pods: Sequence[Object], moment: datetime, failure: str = "") -> Object:
    """The status after a look at all pods that the ReplicaSet controls, ending ones included."""
    active = [pod for pod in pods if pod_is_active(pod)]
    template_labels = from_label_selector_object(
        {"matchLabels": (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}}
    )
    ready = [pod for pod in active if pod_is_ready(pod)]
    wait = int(replica_set["spec"].get("minReadySeconds", 0))
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template_labels.matches(labels(pod)) for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, wait, moment) for pod in ready),
    }
    status: Object = {field: number for field, number in counts.items() if number or field == "replicas"}
    status["terminatingReplicas"] = sum(is_being_deleted(pod) and not _is_finished(pod) for pod in pods)
    status["observedGeneration"] = replica_set["metadata"].get("generation", 1)
    conditions = _conditions(replica_set, failure)
    return status | ({"conditions": conditions} if conditions else {})


def _is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_available(pod: Object, min_ready_seconds: int, moment: datetime) -> bool:
    """Ready for long enough (pkg/api/v1/pod/util.go, IsPodAvailable)."""
    if not pod_is_ready(pod):
        return False
    return not min_ready_seconds or seconds_until_available(pod, min_ready_seconds, moment) <= 0


def seconds_until_available(pod: Object, min_ready_seconds: int, moment: datetime) -> float:
    return min_ready_seconds - (moment - parse_time(_ready_since(pod))).total_seconds()


def _conditions(replica_set: Object, failure: str) -> list[Object]:
    others = [
        each for each in (replica_set.get("status") or {}).get("conditions") or [] if each["type"] != "ReplicaFailure"
    ]
    if not failure:
        return others
    reason, _, message = failure.partition(": ")
    failed = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": message}
    before = condition(replica_set, "ReplicaFailure")
    return [*others, before if before else {**failed, "lastTransitionTime": now()}]


def is_owned_by(obj: Object, owner_uid: str) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner_uid
