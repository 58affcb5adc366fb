"""What a Deployment says of itself: counts and conditions. Pure.

Rules: pkg/controller/deployment (sync.go calculateStatus and checkPausedConditions, progress.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pocket_cluster.api.objects import Object, condition, name, parse_time, time_text
from pocket_cluster.controllers.deployment_rollout import Step, has_deadline, is_complete
from pocket_cluster.controllers.deployment_size import least_available, observed, replica_count

AVAILABLE = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
UNAVAILABLE = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
DONE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"


class Conditions:
    """A Deployment's conditions while they are being brought up to date at one moment."""

    def __init__(self, conditions: Sequence[Object], moment: datetime) -> None:
        self.all = list(conditions)
        self._moment = time_text(moment)

    def get(self, kind: str) -> Object | None:
        return next((each for each in self.all if each["type"] == kind), None)

    def remove(self, kind: str) -> None:
        self.all = [each for each in self.all if each["type"] != kind]

    def set(self, kind: str, status: str, reason: str, message: str, is_news: bool = False) -> None:
        """Replace the condition; the same status and reason again change nothing unless that is news."""
        before = self.get(kind)
        has_status = bool(before and before["status"] == status)
        if before and has_status and before["reason"] == reason and not is_news:
            return
        since = before["lastTransitionTime"] if before and has_status else self._moment
        self.remove(kind)
        times = {"lastUpdateTime": self._moment, "lastTransitionTime": since}
        self.all.append({"type": kind, "status": status, **times, "reason": reason, "message": message})


def new_status(deployment: Object, replica_sets: Sequence[Object], step: Step, moment: datetime) -> Object:
    """The status after a step; ``replica_sets`` are as they are after it."""
    before = deployment.get("status") or {}
    counts = _counts(deployment, replica_sets, step.new)
    conditions = Conditions(before.get("conditions") or [], moment)
    _note_pause(deployment, conditions)
    if step.progress:
        conditions.set("Progressing", "True", *step.progress)
    progressing = conditions.get("Progressing")
    enough = counts["availableReplicas"] >= least_available(deployment)
    conditions.set("Available", *(AVAILABLE if enough else UNAVAILABLE))
    if step.is_rollout:
        _note_progress(deployment, counts, conditions, progressing, step.new, moment)
        _note_failure(replica_sets, step.new, conditions)
    status: Object = {field: number for field, number in counts.items() if number or field == "terminatingReplicas"}
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    return status | {"conditions": conditions.all}


def failed_status(deployment: Object, message: str, moment: datetime) -> Object:
    """The status when the new ReplicaSet could not be created."""
    status = deployment.get("status") or {}
    conditions = Conditions(status.get("conditions") or [], moment)
    if has_deadline(deployment):
        conditions.set("Progressing", "False", "ReplicaSetCreateError", message)
    return {**status, "conditions": conditions.all}


def _counts(deployment: Object, replica_sets: Sequence[Object], new: Object | None) -> dict[str, int]:
    def total(field: str) -> int:
        return sum(observed(each, field) for each in replica_sets)

    available = total("availableReplicas")
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total("replicas"),
        "updatedReplicas": observed(new, "replicas") if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replica_count, replica_sets)) - available),
        "terminatingReplicas": total("terminatingReplicas"),
    }


def _note_pause(deployment: Object, conditions: Conditions) -> None:
    before = conditions.get("Progressing")
    if not has_deadline(deployment) or (before and before["reason"] == TIMED_OUT):
        return
    is_paused = bool(deployment["spec"].get("paused"))
    was_paused = bool(before and before["reason"] == PAUSED)
    if is_paused and not was_paused:
        conditions.set("Progressing", "Unknown", PAUSED, "Deployment is paused")
    elif was_paused and not is_paused:
        conditions.set("Progressing", "Unknown", RESUMED, "Deployment is resumed")


def _note_progress(
    deployment: Object,
    counts: dict[str, int],
    conditions: Conditions,
    before: Object | None,
    new: Object | None,
    moment: datetime,
) -> None:
    if not has_deadline(deployment):
        conditions.remove("Progressing")
        return
    if before and before["reason"] == DONE and counts["replicas"] == counts["updatedReplicas"]:
        return
    subject = f'ReplicaSet "{name(new)}"' if new else f'Deployment "{name(deployment)}"'
    if is_complete(deployment, counts):
        conditions.set("Progressing", "True", DONE, f"{subject} has successfully progressed.")
    elif _has_progressed(deployment, counts):
        conditions.set("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", is_news=True)
    elif before and _has_timed_out(deployment, before, moment):
        conditions.set("Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.")


def _has_progressed(deployment: Object, counts: dict[str, int]) -> bool:
    was_old = observed(deployment, "replicas") - observed(deployment, "updatedReplicas")
    grown = any(
        counts[field] > observed(deployment, field)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or counts["replicas"] - counts["updatedReplicas"] < was_old


def _has_timed_out(deployment: Object, progressing: Object, moment: datetime) -> bool:
    if progressing["reason"] in (DONE, TIMED_OUT):
        return bool(progressing["reason"] == TIMED_OUT)
    return _seconds_to_deadline(deployment, progressing, moment) < 0


def _seconds_to_deadline(deployment: Object, progressing: Object, moment: datetime) -> float:
    allowed = timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    return (parse_time(progressing["lastUpdateTime"]) + allowed - moment).total_seconds()


def seconds_to_next_look(deployment: Object, status: Object, moment: datetime) -> float | None:
    """When the Deployment is to be looked at again to see whether it is stuck (requeueStuckDeployment)."""
    progressing = condition({"status": status}, "Progressing")
    if not has_deadline(deployment) or progressing is None or deployment["spec"].get("paused"):
        return None
    if is_complete(deployment, status) or progressing["reason"] == TIMED_OUT:
        return None
    return max(0.0, _seconds_to_deadline(deployment, progressing, moment)) + 1.0


def _note_failure(replica_sets: Sequence[Object], new: Object | None, conditions: Conditions) -> None:
    """A ReplicaSet that cannot make its pods says so, and its Deployment repeats it (getReplicaFailures)."""
    failures = [condition(each, "ReplicaFailure") for each in ([new] if new else []) + list(replica_sets)]
    failure = next(filter(None, failures), None)
    before = conditions.get("ReplicaFailure")
    if failure is None:
        conditions.remove("ReplicaFailure")
    elif not before or (before["status"], before["reason"]) != (failure["status"], failure["reason"]):
        conditions.remove("ReplicaFailure")
        since = failure["lastTransitionTime"]
        conditions.all.append({**failure, "lastUpdateTime": since, "lastTransitionTime": since})
