"""What a Deployment says of itself: counts and conditions. Pure.

Rules: pkg/controller/deployment (sync.go calculateStatus, progress.go) and its util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pocket_cluster.api.objects import Object, condition, name, now, parse_time
from pocket_cluster.controllers.deployment_decisions import Step, replica_count, surge_and_unavailable

AVAILABLE = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
UNAVAILABLE = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def new_status(deployment: Object, replica_sets: Sequence[Object], step: Step, moment: datetime) -> Object:
    """The status after a look at all ReplicaSets."""
    counts = _counts(deployment, replica_sets, step.new)
    conditions = list((deployment.get("status") or {}).get("conditions") or [])
    if step.progress:
        reason, message = step.progress
        _set(conditions, "Progressing", "True", reason, message)
    _note_pause(deployment, conditions)
    enough = replica_count(deployment) - surge_and_unavailable(deployment)[1]
    _set(conditions, "Available", *(AVAILABLE if counts["availableReplicas"] >= enough else UNAVAILABLE))
    _note_progress(deployment, counts, conditions, step, moment)
    _note_failure(replica_sets, step.new, conditions)
    status: Object = {field: number for field, number in counts.items() if number}
    status["terminatingReplicas"] = counts["terminatingReplicas"]
    if (deployment.get("status") or {}).get("collisionCount"):
        status["collisionCount"] = deployment["status"]["collisionCount"]
    return status | {"conditions": conditions}


def _counts(deployment: Object, replica_sets: Sequence[Object], new: Object | None) -> dict[str, int]:
    def total(field: str, sets: Sequence[Object] = replica_sets) -> int:
        return sum((each.get("status") or {}).get(field, 0) for each in sets)

    wanted, available = sum(map(replica_count, replica_sets)), total("availableReplicas")
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total("replicas"),
        "updatedReplicas": total("replicas", [new]) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
        "terminatingReplicas": total("terminatingReplicas"),
    }


def _set(conditions: list[Object], kind: str, status: str, reason: str, message: str) -> None:
    """Replace the condition of that kind; the same status and reason again change nothing."""
    before = next((each for each in conditions if each["type"] == kind), None)
    if before and (before["status"], before["reason"]) == (status, reason):
        return
    moment = now()
    since = before["lastTransitionTime"] if before and before["status"] == status else moment
    conditions[:] = [each for each in conditions if each["type"] != kind]
    times = {"lastUpdateTime": moment, "lastTransitionTime": since}
    conditions.append({"type": kind, "status": status, **times, "reason": reason, "message": message})


def _note_pause(deployment: Object, conditions: list[Object]) -> None:
    before = next((each for each in conditions if each["type"] == "Progressing"), None)
    if before and before["reason"] == "ProgressDeadlineExceeded":
        return
    is_paused = bool(deployment["spec"].get("paused"))
    was_paused = bool(before and before["reason"] == "DeploymentPaused")
    if is_paused and not was_paused:
        _set(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    elif was_paused and not is_paused:
        _set(conditions, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")


def _note_progress(
    deployment: Object, counts: dict[str, int], conditions: list[Object], step: Step, moment: datetime
) -> None:
    before = next((each for each in conditions if each["type"] == "Progressing"), None)
    if deployment["spec"].get("paused") or not deployment["spec"].get("progressDeadlineSeconds"):
        return
    if before and before["reason"] == "NewReplicaSetAvailable" and counts["replicas"] == counts["updatedReplicas"]:
        return
    subject = f'ReplicaSet "{name(step.new)}"' if step.new else f'Deployment "{name(deployment)}"'
    if is_complete(deployment, counts):
        _set(conditions, "Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed.")
    elif _has_progressed(deployment, counts):
        if before and before["status"] == "True":
            conditions.remove(before)
        _set(conditions, "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        if before and before["status"] == "True":
            conditions[-1]["lastTransitionTime"] = before["lastTransitionTime"]
    elif before and seconds_to_deadline(deployment, before, moment) <= 0:
        _set(conditions, "Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")


def is_complete(deployment: Object, counts: dict[str, int]) -> bool:
    wanted = replica_count(deployment)
    return {counts["updatedReplicas"], counts["replicas"], counts["availableReplicas"]} == {wanted}


def _has_progressed(deployment: Object, counts: dict[str, int]) -> bool:
    before = deployment.get("status") or {}
    was_old = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    grown = any(
        counts[field] > before.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or counts["replicas"] - counts["updatedReplicas"] < was_old


def seconds_to_deadline(deployment: Object, progressing: Object, moment: datetime) -> float:
    """Until the roll-out counts as stuck."""
    allowed = timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", 600))
    return (parse_time(progressing["lastUpdateTime"]) + allowed - moment).total_seconds()


def waits_for_deadline(deployment: Object, status: Object, moment: datetime) -> float | None:
    """Seconds until the Deployment must be looked at again, if it has not progressed by then."""
    progressing = condition({"status": status}, "Progressing")
    if not progressing or deployment["spec"].get("paused") or progressing["status"] != "True":
        return None
    if progressing["reason"] == "NewReplicaSetAvailable" or not deployment["spec"].get("progressDeadlineSeconds"):
        return None
    return max(0.0, seconds_to_deadline(deployment, progressing, moment)) + 0.1


def _note_failure(replica_sets: Sequence[Object], new: Object | None, conditions: list[Object]) -> None:
    failures = [condition(each, "ReplicaFailure") for each in ([new] if new else []) + list(replica_sets)]
    failure = next(filter(None, failures), None)
    if failure:
        _set(conditions, "ReplicaFailure", failure["status"], failure["reason"], failure["message"])
    else:
        conditions[:] = [each for each in conditions if each["type"] != "ReplicaFailure"]
