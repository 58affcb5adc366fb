"""Which pods a Job lacks, which have ended, and what its status says. Pure.

Rules: pkg/controller/job/job_controller.go, indexed_job_utils.go, backoff_utils.go and pod_failure_policy.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pocket_cluster.api.objects import (
    Object,
    condition,
    is_being_deleted,
    parse_time,
    pod_is_active,
    pod_is_ready,
    set_condition,
    time_text,
    uid,
)
from pocket_cluster.controllers.job_failure import FailureRules
from pocket_cluster.controllers.job_indexes import parse_indexes, show_indexes
from pocket_cluster.controllers.job_pods import finish_time, index_of, is_tracked, phase
from pocket_cluster.controllers.replica_set_decisions import first_to_go, is_ending

FIRST_BACK_OFF, LONGEST_BACK_OFF = 10.0, 600.0
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
EXCEEDED = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LATE = ("DeadlineExceeded", "Job was active longer than specified deadline")
TARGETS = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


class Plan(NamedTuple):
    """What to do now: the status first, then free the ended pods, delete, create; and when to look again."""

    status: Object
    release: list[Object]
    delete: list[Object]
    create: Sequence[int | None]
    again: float | None = None


def plan(job: Object, pods: Sequence[Object], moment: datetime) -> Plan:
    """``pods`` are the Job's own, ended ones too."""
    return _Look(job, pods, moment).plan()


def finished_as(job: Object) -> Object | None:
    """The condition Complete or Failed, when it holds."""
    return next(filter(None, (_holding(job, kind) for kind in TARGETS.values())), None)


def _holding(job: Object, kind: str) -> Object | None:
    """The condition, when it holds."""
    found = condition(job, kind)
    return found if found and found["status"] == "True" else None


def seconds_to_live(job: Object, moment: datetime) -> float | None:
    """How long a finished Job is kept; None: for ever."""
    ended, seconds = finished_as(job), job["spec"].get("ttlSecondsAfterFinished")
    if ended is None or seconds is None:
        return None
    return float(seconds) - (moment - parse_time(ended["lastTransitionTime"])).total_seconds()


class _Look:
    """One look at a Job and its pods."""

    def __init__(self, job: Object, pods: Sequence[Object], moment: datetime) -> None:
        self.job, self.pods, self.moment = job, pods, moment
        self.spec: Object = job["spec"]
        self.before: Object = job.get("status") or {}
        self.is_indexed = self.spec.get("completionMode") == "Indexed"
        self.rules = FailureRules(self.spec.get("podFailurePolicy") or {})
        self.active = [pod for pod in pods if pod_is_active(pod)]
        self.ending = [pod for pod in pods if is_ending(pod)]
        self.conditions: list[Object] = [*(self.before.get("conditions") or [])]
        self.start = self.before.get("startTime")
        self._count()

    def _count(self) -> None:
        """Ended pods are noted by UID, freed of their finalizer, and then counted: so none is counted twice."""
        noted = self.before.get("uncountedTerminatedPods") or {}
        tracked = {uid(pod) for pod in self.pods if is_tracked(pod)}
        self.noted = {kind: [each for each in noted.get(kind) or [] if each in tracked] for kind in COUNTED}
        self.counts = {
            kind: int(self.before.get(kind, 0)) + len(noted.get(kind) or []) - len(self.noted[kind]) for kind in COUNTED
        }
        self.completed = parse_indexes(self.before.get("completedIndexes", ""))
        self.release: list[Object] = []
        for pod in self.pods:
            kind = self._ended_as(pod) if is_tracked(pod) else None
            if kind is not None:
                self.release.append(pod)
                self._note(pod, kind)

    def _ended_as(self, pod: Object) -> str | None:
        """``succeeded``, ``failed``, ``ignored``, or None while it runs."""
        if phase(pod) == "Succeeded":
            return "succeeded"
        is_over = phase(pod) == "Failed" or (is_being_deleted(pod) and self._counts_while_ending(pod))
        if not is_over:
            return None
        if self.spec.get("suspend") and is_being_deleted(pod):
            return "ignored"
        return "ignored" if self.rules.action(pod) == "Ignore" else "failed"

    def _counts_while_ending(self, pod: Object) -> bool:
        is_last_moment = not pod["metadata"].get("deletionGracePeriodSeconds") or not pod["spec"].get("nodeName")
        return is_last_moment or self.spec.get("podReplacementPolicy") != "Failed"

    def _note(self, pod: Object, kind: str) -> None:
        if kind == "succeeded" and self.is_indexed:
            index = index_of(pod)
            if index is not None and index < self.spec["completions"]:
                self.completed.add(index)
        elif kind in COUNTED and uid(pod) not in self.noted[kind]:
            self.noted[kind].append(uid(pod))

    @property
    def succeeded(self) -> int:
        if self.is_indexed:
            return len(self.completed)
        return self.counts["succeeded"] + len(self.noted["succeeded"])

    @property
    def failed(self) -> int:
        return self.counts["failed"] + len(self.noted["failed"])

    def plan(self) -> Plan:
        self._suspend_or_resume()
        target = self._target()
        if target:
            self._finish(target)
        if target or self.spec.get("suspend"):
            return Plan(self._status(), self.release, self.active, [])
        return self._manage()

    def _suspend_or_resume(self) -> None:
        was_suspended = _holding(self.job, "Suspended")
        if self.spec.get("suspend"):
            if not was_suspended:
                self._say("Suspended", "True", ("JobSuspended", "Job suspended"))
            self.start = None
        else:
            if was_suspended:
                self._say("Suspended", "False", ("JobResumed", "Job resumed"))
            self.start = self.start or time_text(self.moment)

    def _say(self, kind: str, status: str, why: tuple[str, str]) -> None:
        now = time_text(self.moment)
        new = {"type": kind, "status": status, "reason": why[0], "message": why[1]}
        self.conditions = set_condition(self.conditions, {**new, "lastProbeTime": now, "lastTransitionTime": now})

    def _target(self) -> str | None:
        """Where the Job is heading, once that is settled: its condition SuccessCriteriaMet or FailureTarget."""
        for kind in TARGETS:
            if _holding(self.job, kind):
                return kind
        why = self._failure()
        if why:
            self._say("FailureTarget", "True", why)
            return "FailureTarget"
        if self._is_complete():
            self._say("SuccessCriteriaMet", "True", REACHED)
            return "SuccessCriteriaMet"
        return None

    def _failure(self) -> tuple[str, str] | None:
        message = next(filter(None, (self.rules.fail_job(pod) for pod in self.pods)), None)
        if message:
            return "PodFailurePolicy", message
        limit = int(self.spec.get("backoffLimit", 6))
        if self.failed > limit or self._restarts() >= max(limit, 1):
            return EXCEEDED
        left = self._seconds_to_deadline()
        return TOO_LATE if left is not None and left <= 0 else None

    def _restarts(self) -> int:
        """Restarts of containers count as failures where the kubelet restarts them."""
        if self.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return 0
        return sum(
            int(each.get("restartCount", 0))
            for pod in self.active
            for kind in ("initContainerStatuses", "containerStatuses")
            for each in (pod.get("status") or {}).get(kind) or []
        )

    def _seconds_to_deadline(self) -> float | None:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None or self.spec.get("suspend") or not self.start:
            return None
        return float(seconds) - (self.moment - parse_time(self.start)).total_seconds()

    def _is_complete(self) -> bool:
        completions = self.spec.get("completions")
        if completions is None:
            return self.succeeded > 0 and not self.active
        return self.succeeded >= int(completions)

    def _finish(self, target: str) -> None:
        """The last condition waits until no pod runs and all are counted."""
        if self.active or self.ending or any(self.noted.values()) or self.release:
            return
        why = next(each for each in self.conditions if each["type"] == target)
        self._say(TARGETS[target], "True", (why["reason"], why["message"]))

    def _manage(self) -> Plan:
        waiting = self.active + (self.ending if self.spec.get("podReplacementPolicy") == "Failed" else [])
        lacking = self._wanted() - len(waiting)
        pause = self._back_off() if lacking > 0 else 0.0
        create = self._missing(lacking, waiting) if lacking > 0 and pause <= 0 else []
        excess = first_to_go(self.active, [], self.moment)[: max(0, len(self.active) - self._wanted())]
        times = [each for each in (pause, self._seconds_to_deadline()) if each is not None and each > 0]
        return Plan(self._status(), self.release, excess, create, min(times, default=None))

    def _wanted(self) -> int:
        parallelism, completions = int(self.spec.get("parallelism", 1)), self.spec.get("completions")
        if completions is None:
            return len(self.active) if self.succeeded else parallelism
        return min(parallelism, int(completions) - self.succeeded)

    def _missing(self, number: int, waiting: Sequence[Object]) -> Sequence[int | None]:
        if not self.is_indexed:
            return [None] * number
        taken = self.completed | {index_of(pod) for pod in waiting}
        return [index for index in range(self.spec["completions"]) if index not in taken][:number]

    def _back_off(self) -> float:
        """After each failure in a row the next pod waits twice as long."""
        done = [finish_time(pod) for pod in self.pods if phase(pod) == "Succeeded"]
        last_success = max((each for each in done if each), default=None)
        failures = [
            time
            for pod in self.pods
            if self._ended_as(pod) == "failed"
            if (time := finish_time(pod)) and (last_success is None or time > last_success)
        ]
        if not failures:
            return 0.0
        wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** (len(failures) - 1))
        return wait - (self.moment - max(failures)).total_seconds()

    def _status(self) -> Object:
        succeeded = len(self.completed) if self.is_indexed else self.counts["succeeded"]
        numbers = {"active": len(self.active), "succeeded": succeeded, "failed": self.counts["failed"]}
        is_complete = any(each["type"] == "Complete" and each["status"] == "True" for each in self.conditions)
        fields: dict[str, Any] = {
            **{field: number for field, number in numbers.items() if number},
            "startTime": self.start,
            "completionTime": time_text(self.moment) if is_complete else None,
            "completedIndexes": show_indexes(self.completed) or None,
            "conditions": self.conditions or None,
        }
        return {
            **{field: value for field, value in fields.items() if value is not None},
            "ready": sum(pod_is_ready(pod) for pod in self.active),
            "terminating": len(self.ending),
            "uncountedTerminatedPods": {kind: found for kind, found in self.noted.items() if found},
        }


COUNTED = ("succeeded", "failed")
