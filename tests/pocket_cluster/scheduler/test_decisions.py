"""A pod gets the emptiest node on which it fits, or the real scheduler's sentence that says why it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket_cluster.api.objects import Object
from pocket_cluster.scheduler.decisions import choose_node
from pocket_cluster.scheduler.room import Room, requests
from pocket_cluster.scheduler.scheduler import is_waiting

REFUSALS = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())


def make_node(name: str = "pocket", ready: str = "True", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": {"disk": "hdd", "kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "3"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def make_pod(**spec: Any) -> Object:
    return {"metadata": {"name": "p", "namespace": "default", "labels": {"app": "x"}}, "spec": spec}


def containers(*requested: dict[str, str]) -> list[Object]:
    return [{"resources": {"requests": each}} for each in requested]


@pytest.mark.parametrize("case", REFUSALS, ids=[case["case"] for case in REFUSALS])
def test_a_pod_waits_for_that_reason(case: Object) -> None:
    node = make_node(ready=case.get("ready", "True"), **case.get("node", {}))
    room = Room(node, [make_pod(**spec) for spec in case.get("there", [])])
    choice = choose_node(make_pod(**case["pod"]), [room])
    none = "0/1 nodes are available"
    expected = f"{none}: {case['because']}. no new claims to deallocate, preemption: {none}: 1 {case['advice']}"
    assert choice == ("", expected)


def test_reasons_of_several_nodes_are_counted() -> None:
    rooms = [Room(make_node("a", unschedulable=True)), Room(make_node("b", unschedulable=True)), Room(make_node("c"))]
    message = choose_node(make_pod(nodeSelector={"disk": "ssd"}), rooms).message
    reasons = "1 node(s) didn't match Pod's node affinity/selector, 2 node(s) were unschedulable"
    assert message.startswith(f"0/3 nodes are available: {reasons}. ")
    assert message.endswith("0/3 nodes are available: 3 Preemption is not helpful for scheduling.")


def test_without_nodes_there_is_nothing_to_choose_from() -> None:
    assert choose_node(make_pod(), []).message == "no nodes available to schedule pods"


def test_the_emptiest_node_is_chosen() -> None:
    busy = Room(make_node("a"), [make_pod(containers=containers({"cpu": "1500m"}))])
    assert choose_node(make_pod(), [busy, Room(make_node("b"), [make_pod()])]).node == "b"


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "mine", "operator": "Exists"},
        {"key": "mine", "value": "x", "effect": "NoSchedule"},
    ],
)
def test_a_tolerated_taint_is_no_obstacle(toleration: Object) -> None:
    node = make_node(taints=[{"key": "mine", "value": "x", "effect": "NoSchedule"}])
    assert choose_node(make_pod(tolerations=[toleration]), [Room(node)]).node == "pocket"


def test_a_taint_of_a_state_that_is_over_is_no_obstacle() -> None:
    taints = [{"key": f"node.kubernetes.io/{each}", "effect": "NoSchedule"} for each in ("unschedulable", "not-ready")]
    assert choose_node(make_pod(), [Room(make_node(taints=taints))]).node == "pocket"


@pytest.mark.parametrize(
    ("taken", "wanted", "fits"),
    [
        ({"hostPort": 80}, {"hostPort": 80, "protocol": "UDP"}, True),
        ({"hostPort": 80}, {"hostPort": 80, "hostIP": "127.0.0.1"}, False),
        ({"hostPort": 80, "hostIP": "127.0.0.2"}, {"hostPort": 80, "hostIP": "127.0.0.1"}, True),
    ],
)
def test_host_ports_conflict_by_address_and_protocol(taken: Object, wanted: Object, fits: bool) -> None:
    room = Room(make_node(), [make_pod(containers=[{"ports": [taken]}])])
    assert bool(choose_node(make_pod(containers=[{"ports": [wanted]}]), [room]).node) is fits


def test_requests_add_sidecars_and_take_the_largest_init_container() -> None:
    pod = make_pod(
        initContainers=[
            {"restartPolicy": "Always", **containers({"cpu": "100m"})[0]},
            *containers({"cpu": "500m", "memory": "1Gi"}),
        ],
        containers=containers({"cpu": "200m"}, {"cpu": "50m", "memory": "64Mi"}),
    )
    assert {resource: float(amount) for resource, amount in requests(pod).items()} == {"cpu": 0.6, "memory": 2**30}


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("NotIn", ["ssd"], True),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["5"], False),
    ],
)
def test_node_affinity_knows_the_operators(operator: str, values: list[str], fits: bool) -> None:
    terms = [{"matchExpressions": [{"key": "disk", "operator": operator, "values": values}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod = make_pod(affinity={"nodeAffinity": required})
    assert bool(choose_node(pod, [Room(make_node())]).node) is fits


def test_the_first_of_pods_that_want_to_be_together_is_placed() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
    pod = make_pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    assert choose_node(pod, [Room(make_node())]).node == "pocket"


@pytest.mark.parametrize(
    "spec",
    [{"nodeName": "pocket"}, {"schedulerName": "mine"}, {"schedulingGates": [{"name": "example.com/wait"}]}],
)
def test_pods_that_are_placed_or_gated_or_anothers_are_left_alone(spec: Object) -> None:
    assert is_waiting(make_pod())
    assert not is_waiting(make_pod(**spec))
