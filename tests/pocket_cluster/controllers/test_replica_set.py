"""A ReplicaSet deletes in the real order, counts as the real one does, and creates in growing batches."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.controllers.controller import Informers, in_growing_batches
from pocket_cluster.controllers.replica_set import ReplicaSetController
from pocket_cluster.controllers.replica_set_decisions import (
    BURST,
    Failure,
    first_to_go,
    new_pod,
    new_status,
    seconds_to_next_look,
    surplus,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ORDERS = yaml.safe_load((Path(__file__).parent / "golden/deletion_order.yaml").read_text())


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(
    node: str = "here",
    phase: str = "Running",
    ready: float | None = 600,
    cost: Any = None,
    restarts: int = 0,
    age: float = 600,
    uid: str = "",
    labels: dict[str, str] | None = None,
) -> Object:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ago(ready)}] if ready is not None else []
    annotations = {"controller.kubernetes.io/pod-deletion-cost": str(cost)} if cost is not None else {}
    metadata = {"uid": uid, "creationTimestamp": ago(age), "annotations": annotations, "labels": labels or {}}
    status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"name": "a", "restartCount": restarts}]}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}


@pytest.mark.parametrize("order", ORDERS, ids=[order["respect"] for order in ORDERS])
def test_the_first_pods_to_go_are_those(order: Object) -> None:
    pods = [make_pod(**fields) for fields in order["pods"]]
    crowd = [make_pod(node="crowded") for _ in range(3)]
    for shuffled in itertools.permutations(pods):
        assert first_to_go(shuffled, [*pods, *crowd], NOW) == pods


def make_replica_set(replicas: int, wait: int = 0) -> Object:
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}}, "spec": {"containers": []}}
    metadata = {"name": "web-abc", "namespace": "default", "uid": "r", "generation": 2}
    return {"metadata": metadata, "spec": {"replicas": replicas, "minReadySeconds": wait, "template": template}}


@pytest.mark.parametrize(
    ("wanted", "present", "expected"), [(3, 1, -2), (1, 3, 2), (2, 2, 0), (900, 0, -BURST), (0, 900, BURST)]
)
def test_never_more_than_a_burst_at_once(wanted: int, present: int, expected: int) -> None:
    assert surplus(make_replica_set(wanted), [{}] * present) == expected


def test_a_new_pod_is_made_from_the_template() -> None:
    assert new_pod(make_replica_set(1)) == {
        "metadata": {
            "generateName": "web-abc-",
            "namespace": "default",
            "labels": {"app": "web"},
            "annotations": {"a": "b"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web-abc",
                    "uid": "r",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {"containers": []},
    }


def test_the_status_counts_ready_available_and_fully_labelled_pods() -> None:
    app = {"app": "web", "more": "x"}
    pods = [make_pod(ready=99, labels=app), make_pod(ready=3, labels=app), make_pod(ready=None)]
    assert new_status(make_replica_set(3, wait=10), pods, 1, NOW) == {
        "replicas": 3,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 2,
    }


def test_an_empty_replica_set_still_says_that_it_has_none() -> None:
    assert new_status(make_replica_set(0), [], 0, NOW) == {
        "replicas": 0,
        "terminatingReplicas": 0,
        "observedGeneration": 2,
    }


def test_a_failure_is_told_until_it_is_over() -> None:
    failure = Failure("FailedCreate", "pods is forbidden")
    status = new_status(make_replica_set(1), [], 0, NOW, failure)
    told = [{"type": "ReplicaFailure", "status": "True", "lastTransitionTime": ago(0), **failure._asdict()}]
    assert status["conditions"] == told
    later = NOW + timedelta(hours=1)
    again = {**make_replica_set(1), "status": status}
    assert new_status(again, [], 0, later, Failure("FailedCreate", "again"))["conditions"] == told
    assert "conditions" not in new_status(again, [], 0, later)


def test_the_next_look_is_when_the_next_pod_becomes_available() -> None:
    pods = [make_pod(ready=3), make_pod(ready=8), make_pod(ready=None)]
    assert seconds_to_next_look(make_replica_set(3, wait=10), pods, NOW) == 2.0
    assert seconds_to_next_look(make_replica_set(3), pods, NOW) is None


def test_creations_double_until_one_fails() -> None:
    running, most_at_once, made = 0, 0, 0
    refusal = ApiError({"code": 403, "reason": "Forbidden", "message": "quota"})

    async def create() -> ApiError | None:
        nonlocal running, most_at_once, made
        running += 1
        most_at_once = max(most_at_once, running)
        await asyncio.sleep(0)
        running -= 1
        made += 1
        return refusal if made > 5 else None

    assert asyncio.run(in_growing_batches(50, create)) is refusal
    assert (made, most_at_once) == (7, 4)  # 1 + 2 + 4, the third batch failed


class RefusingClient(Client):
    """An API server that creates no pods and takes every status."""

    def __init__(self, refusal: ApiError) -> None:
        self.refusal = refusal
        self.statuses: list[Object] = []

    async def create(self, resource: Resource, obj: Object, namespace: str | None = None) -> Object:
        raise self.refusal

    async def update(self, resource: Resource, obj: Object, subresource: str | None = None) -> Object:
        self.statuses.append(obj["status"])
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(1 + len(self.statuses))}}


def reconcile(client: Client) -> None:
    async def story() -> None:
        controller = ReplicaSetController(client, Informers(client))
        replica_set = make_replica_set(5)
        replica_set["metadata"]["resourceVersion"] = "1"
        controller.replica_sets.items["default/web-abc"] = replica_set
        await controller.reconcile("default/web-abc")

    asyncio.run(story())


def test_a_refused_pod_is_told_in_the_status_and_tried_again() -> None:
    refusal = ApiError({"code": 403, "reason": "Forbidden", "message": 'pods "web-abc-" is forbidden: quota'})
    client = RefusingClient(refusal)
    with pytest.raises(ApiError):  # which puts the key back into the queue
        reconcile(client)
    [condition] = client.statuses[0]["conditions"]
    assert (condition["reason"], condition["message"]) == ("FailedCreate", refusal.message)


def test_in_a_namespace_that_goes_there_is_nothing_to_do() -> None:
    cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace", "message": "it goes"}
    client = RefusingClient(ApiError({"code": 403, "message": "no", "details": {"causes": [cause]}}))
    reconcile(client)
    assert "conditions" not in client.statuses[0]
