"""What a Deployment says of itself follows from its ReplicaSets, what it said before, and the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pocket_cluster.api.objects import Object, condition
from pocket_cluster.controllers.deployment_rollout import Step
from pocket_cluster.controllers.deployment_status import new_status, seconds_to_next_look

CASES = yaml.safe_load((Path(__file__).parent / "golden/deployment_status.yaml").read_text())
LAST_PROGRESS = "2026-01-01T00:00:00Z"


def make_deployment(given: Object) -> Object:
    before = dict(given["before"])
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": reason,
            "lastUpdateTime": LAST_PROGRESS,
            "lastTransitionTime": LAST_PROGRESS,
        }
        for kind, (status, reason) in before.pop("conditions", {}).items()
    ]
    spec = {
        "replicas": given["replicas"],
        "paused": given.get("paused", False),
        "progressDeadlineSeconds": given.get("deadline", 600),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    }
    metadata = {"name": "web", "generation": 1}
    return {"metadata": metadata, "spec": spec, "status": {**before, "conditions": conditions}}


def status_of(given: Object) -> Object:
    replica_sets = [
        {"metadata": {"name": "two"}, "spec": {"replicas": each["replicas"]}, "status": each.get("status", {})}
        for each in given["replicaSets"]
    ]
    progress = tuple(given["progress"]) if "progress" in given else None
    step = Step(new=replica_sets[-1], progress=progress, is_rollout=given.get("rollout", True))
    moment = datetime.fromisoformat(LAST_PROGRESS) + timedelta(seconds=given.get("seconds", 5))
    return new_status(make_deployment(given), replica_sets, step, moment)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_status_says_that(case: Object) -> None:
    status = status_of(case["given"])
    conditions = status.pop("conditions")
    assert status == case["then"]["counts"]
    assert {each["type"]: [each["status"], each["reason"]] for each in conditions} == case["then"]["conditions"]


def case(name: str) -> Object:
    return next(each["given"] for each in CASES if each["case"] == name)


def test_progress_renews_the_update_time_and_keeps_the_transition_time() -> None:
    progressing = condition({"status": status_of(case("a pod more is progress"))}, "Progressing")
    assert progressing == {
        "type": "Progressing",
        "status": "True",
        "reason": "ReplicaSetUpdated",
        "message": 'ReplicaSet "two" is progressing.',
        "lastUpdateTime": "2026-01-01T00:00:05Z",
        "lastTransitionTime": LAST_PROGRESS,
    }


def test_a_condition_that_says_the_same_again_keeps_its_times() -> None:
    status = status_of(case("done stays done when a pod dies later"))
    assert (condition({"status": status}, "Progressing") or {})["lastUpdateTime"] == LAST_PROGRESS


def test_a_stuck_roll_out_is_looked_at_again_at_its_deadline() -> None:
    given = case("up to the deadline it may still progress")
    deployment = make_deployment(given)
    moment = datetime(2026, 1, 1, 0, 9, 0, tzinfo=UTC)
    assert seconds_to_next_look(deployment, deployment["status"], moment) == 61.0


def test_a_roll_out_that_is_done_needs_no_other_look() -> None:
    given = case("with all pods available the roll-out is done")
    assert seconds_to_next_look(make_deployment(given), status_of(given), datetime.now(UTC)) is None
