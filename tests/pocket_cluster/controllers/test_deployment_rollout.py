"""A Deployment's next step is a pure function of what is there; a roll-out keeps its promises at every step."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pocket_cluster.api.objects import Object, annotations_of, name
from pocket_cluster.controllers.deployment_revision import HASH_LABEL, REVISION, REVISION_HISTORY, find_new
from pocket_cluster.controllers.deployment_rollout import Step, next_step
from pocket_cluster.controllers.deployment_size import DESIRED, MAXIMUM, most_pods, surge_and_unavailable

CASES = yaml.safe_load((Path(__file__).parent / "golden/deployment_rollout.yaml").read_text())


def make_deployment(
    replicas: int,
    image: str,
    surge: Any = "25%",
    unavailable: Any = "25%",
    strategy: str = "RollingUpdate",
    paused: bool = False,
    history: int = 10,
    status: Object | None = None,
) -> Object:
    rolling = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}} if strategy != "Recreate" else {}
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": history,
            "paused": paused,
            "strategy": {"type": strategy, **rolling},
            "selector": {"matchLabels": {"app": "web"}},
            "template": make_template(image),
        },
        "status": {"observedGeneration": 1, "conditions": [progressing], **(status or {})},
    }


def make_template(image: str, **labels: str) -> Object:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "a", "image": image}]}}


def make_replica_set(
    deployment: Object, who: str, age: int, image: str, replicas: int, available: int, revision: str, sized: int | None
) -> Object:
    of_that_size = copy.deepcopy(deployment)
    of_that_size["spec"]["replicas"] = deployment["spec"]["replicas"] if sized is None else sized
    notes = {
        REVISION: revision,
        DESIRED: str(of_that_size["spec"]["replicas"]),
        MAXIMUM: str(most_pods(of_that_size)),
    }
    return {
        "metadata": {
            "name": who,
            "uid": who,
            "generation": 1,
            "annotations": notes,
            "creationTimestamp": f"2026-01-01T00:00:{age:02}Z",
        },
        "spec": {"replicas": replicas, "template": make_template(image, **{HASH_LABEL: who})},
        "status": {"replicas": replicas, "availableReplicas": available, "observedGeneration": 1},
    }


def decide(given: Object) -> tuple[Object, Step]:
    deployment = make_deployment(**given["deployment"])
    replica_sets = [
        make_replica_set(deployment, who, age, **{"sized": None, **fields})
        for age, (who, fields) in enumerate(given["replicaSets"].items())
    ]
    new = find_new(deployment, replica_sets)
    if new is not None:
        notes = {REVISION: annotations_of(new)[REVISION]}
        deployment["metadata"]["annotations"] = notes
    pods = [{"status": {"phase": phase}} for phase in given.get("pods", [])]
    before = copy.deepcopy((deployment, replica_sets))
    step = next_step(deployment, replica_sets, pods)
    assert (deployment, replica_sets) == before, "a decision changes nothing that it is given"
    return {name(each): each for each in replica_sets}, step


def told(step: Step, replica_sets: Object) -> Object:
    """The step in the words of the golden table."""
    sizes = {name(each): each["spec"]["replicas"] for each in step.update}
    scaled = {who: size for who, size in sizes.items() if size != replica_sets[who]["spec"]["replicas"]}
    histories = {name(each): annotations_of(each).get(REVISION_HISTORY) for each in step.update}
    created = step.create and {"replicas": step.create["spec"]["replicas"], "revision": step.revision}
    words: Object = {
        "create": created,
        "scale": scaled,
        "delete": [name(each) for each in step.delete],
        "events": [re.sub(r"web-[a-z0-9]+", "web-HASH", event) for event in step.events],
        "progress": step.progress[0] if step.progress else None,
        "revision": None if step.create else step.revision,
        "history": {who: history for who, history in histories.items() if history},
    }
    return {word: value for word, value in words.items() if value} | ({} if step.is_rollout else {"rollout": False})


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_next_step_is(case: Object) -> None:
    replica_sets, step = decide(case["given"])
    assert told(step, replica_sets) == case["then"]


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (4, 0, "1%", (0, 1)),  # both would be 0
        (3, 0, 10, (0, 3)),
        (0, 1, 0, (1, 0)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert surge_and_unavailable(make_deployment(replicas, "v1", surge, unavailable)) == expected


def test_a_new_replica_set_carries_hash_annotations_and_owner() -> None:
    deployment = make_deployment(2, "v1")
    deployment["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "first",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        REVISION: "7",
    }
    created = next_step(deployment, [], []).create
    assert created is not None
    digest = created["metadata"]["labels"][HASH_LABEL]
    assert name(created) == f"web-{digest}"
    assert created["spec"]["selector"] == {"matchLabels": {"app": "web", HASH_LABEL: digest}}
    assert created["spec"]["template"]["metadata"]["labels"] == {"app": "web", HASH_LABEL: digest}
    assert created["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "first",
        REVISION: "1",
        DESIRED: "2",
        MAXIMUM: "3",
    }
    assert created["metadata"]["ownerReferences"][0] | {"uid": ""} == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "web",
        "uid": "",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def test_after_a_collision_the_hash_is_another() -> None:
    names = set()
    for collisions in range(3):
        created = next_step(make_deployment(1, "v1", status={"collisionCount": collisions}), [], []).create
        assert created is not None
        names.add(name(created))
    assert len(names) == 3


# --- whole roll-outs


def carry_out(step: Step, replica_sets: list[Object], clock: int) -> list[Object]:
    """What the API server and the ReplicaSet controller make of a step: created pods are not available yet."""
    after = {name(each): each for each in replica_sets}
    if step.create:
        created = copy.deepcopy(step.create)
        created["metadata"] |= {
            "uid": name(created),
            "generation": 1,
            "creationTimestamp": f"2026-01-01T01:00:{clock:02}Z",
        }
        created["status"] = {"replicas": created["spec"]["replicas"], "observedGeneration": 1}
        after[name(created)] = created
    for each in step.update:
        size = each["spec"]["replicas"]
        available = min(size, each["status"].get("availableReplicas", 0))
        after[name(each)] = {**each, "status": {**each["status"], "replicas": size, "availableReplicas": available}}
    return list(after.values())


def total(replica_sets: Sequence[Object], field: str) -> int:
    return sum(int(each["status"].get(field, 0)) for each in replica_sets)


@given(
    replicas=st.integers(0, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    choices=st.lists(st.integers(0, 99), max_size=60),
)
def test_a_roll_out_never_breaks_its_bounds_and_always_ends(
    replicas: int, surge: int, unavailable: int, choices: list[int]
) -> None:
    old = make_deployment(replicas, "v1", surge, unavailable)
    replica_sets = [make_replica_set(old, "one", 0, "v1", replicas, replicas, "1", None)]
    deployment = make_deployment(replicas, "v2", surge, unavailable)
    most, least = most_pods(deployment), replicas - surge_and_unavailable(deployment)[1]
    for clock in range(60):
        step = next_step(deployment, replica_sets, [])
        replica_sets = carry_out(step, replica_sets, min(clock, 59))
        assert sum(each["spec"]["replicas"] for each in replica_sets) <= most
        assert total(replica_sets, "availableReplicas") >= least
        new = find_new(deployment, replica_sets)
        assert new is not None
        missing = new["spec"]["replicas"] - new["status"].get("availableReplicas", 0)
        is_idle = not step.create and not step.update
        arrived = max(1, (choices[clock] if clock < len(choices) else 99) * missing // 99) if missing else 0
        new["status"]["availableReplicas"] = new["status"].get("availableReplicas", 0) + arrived
        if is_idle and not missing:
            break
    assert {name(each): each["spec"]["replicas"] for each in replica_sets}["one"] == 0
    assert total(replica_sets, "availableReplicas") == replicas
