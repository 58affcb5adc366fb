"""A silent node is unknown in every respect, and its taints follow from its state."""

from __future__ import annotations

from typing import Any

import pytest

from pocket_cluster.api.objects import Object, condition
from pocket_cluster.controllers.node_lifecycle import wanted_taints, with_unknown_conditions


def make_node(unschedulable: bool = False, **conditions: str) -> Object:
    told = [{"type": kind, "status": status, "reason": "R"} for kind, status in conditions.items()]
    return {"metadata": {"name": "pocket"}, "spec": {"unschedulable": unschedulable}, "status": {"conditions": told}}


def test_of_a_silent_node_nothing_is_known() -> None:
    silent = with_unknown_conditions(make_node(Ready="True", MemoryPressure="False"))
    told = {each["type"]: (each["status"], each["reason"]) for each in silent["status"]["conditions"]}
    assert told == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusUnknown"),
        "DiskPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
    }
    assert (condition(silent, "Ready") or {})["message"] == "Kubelet stopped posting node status."
    assert with_unknown_conditions(silent) == silent


OWN: dict[str, Any] = {"key": "mine", "value": "x", "effect": "NoSchedule"}
CORDONED: dict[str, Any] = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "T"}


@pytest.mark.parametrize(
    ("node", "before", "expected"),
    [
        (make_node(Ready="True"), [], []),
        (make_node(Ready="False"), [], ["node.kubernetes.io/not-ready"]),
        (make_node(Ready="Unknown"), [OWN], ["mine", "node.kubernetes.io/unreachable"]),
        (make_node(Ready="True", MemoryPressure="True"), [], ["node.kubernetes.io/memory-pressure"]),
        (make_node(unschedulable=True, Ready="True"), [], ["node.kubernetes.io/unschedulable"]),
        (make_node(Ready="True"), [CORDONED, OWN], ["mine"]),
        (make_node(Ready="True"), [{**CORDONED, "effect": "NoExecute"}], ["node.kubernetes.io/unschedulable"]),
    ],
)
def test_taints_follow_from_conditions_and_leave_the_users_own_alone(
    node: Object, before: list[Object], expected: list[str]
) -> None:
    assert [taint["key"] for taint in wanted_taints(node, before)] == expected


def test_a_taint_that_is_there_keeps_its_time() -> None:
    assert wanted_taints(make_node(unschedulable=True, Ready="True"), [CORDONED]) == [CORDONED]
