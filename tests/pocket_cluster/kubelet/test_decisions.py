"""Which containers to start, the phase and the conditions that follow: pure functions, tested with tables."""

from __future__ import annotations

from typing import Any

import pytest

from pocket_cluster.kubelet.back_off import BackOff
from pocket_cluster.kubelet.container_record import ContainerRecord, records_of
from pocket_cluster.kubelet.decisions import next_steps, phase
from pocket_cluster.kubelet.status import Situation, next_status

NOW = 1_800_000_000.0


def pod(policy: str = "Always", init: tuple[str, ...] = (), sidecar: str = "", **containers: Any) -> dict[str, Any]:
    first = [{"name": name, "image": "i"} for name in init]
    if sidecar:
        first.append({"name": sidecar, "image": "i", "restartPolicy": "Always"})
    spec: dict[str, Any] = {"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}]}
    return {
        "metadata": {"name": "p", "generation": 1},
        "spec": {**spec, **({"initContainers": first} if first else {})},
    }


def run(record: ContainerRecord, ready: bool = True) -> None:
    record.begin({"id": "1" * 64, "started": NOW}, "docker.io/library/i:latest", "sha256:1")
    record.started, record.ready = True, ready


def end(record: ContainerRecord, code: int, finished: float = NOW) -> None:
    record.end({"id": "1" * 64, "started": NOW, "finished": finished, "exit_code": code})


def test_containers_start_when_all_init_containers_are_done_one_after_the_other() -> None:
    wanted = pod(init=("one", "two"))
    records = records_of(wanted)
    assert next_steps(wanted, records, NOW).start == ["one"]
    run(records["one"])
    assert next_steps(wanted, records, NOW).start == []
    end(records["one"], 0)
    assert next_steps(wanted, records, NOW).start == ["two"]
    end(records["two"], 0)
    assert next_steps(wanted, records, NOW).start == ["a"]


def test_a_sidecar_only_has_to_be_started() -> None:
    wanted = pod(sidecar="side")
    records = records_of(wanted)
    assert next_steps(wanted, records, NOW).start == ["side"]
    run(records["side"])
    assert next_steps(wanted, records, NOW).start == ["a"]


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_restart_policy_says_who_runs_again(policy: str, code: int, again: bool) -> None:
    wanted = pod(policy)
    records = records_of(wanted)
    end(records["a"], code)
    assert bool(next_steps(wanted, records, NOW).start) is again


def test_the_first_restart_is_at_once_and_the_next_ones_wait_ten_seconds_and_twice_as_long_each_time() -> None:
    wanted = pod()
    record = records_of(wanted)["a"]
    waits = []
    moment = NOW
    for _ in range(8):
        end(record, 1, moment)
        waits.append(next_steps(wanted, {"a": record}, moment).backing_off.get("a", 0.0))
        moment += waits[-1]
        assert next_steps(wanted, {"a": record}, moment).start == ["a"]
        record.back_off.next(moment)
        run(record)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_minutes_without_a_failure_forget_the_ones_before() -> None:
    back_off = BackOff()
    for _ in range(4):
        back_off.next(NOW)
    assert back_off.remaining(NOW + 1, NOW + 1) == 80
    assert back_off.remaining(NOW + 601, NOW + 601) == 0
    back_off.next(NOW + 601)
    assert back_off.seconds == 10


PHASES = [
    # policy, exit code or None for running, or "" for not started; deleted or done; phase
    ("Always", "", False, "Pending"),
    ("Always", None, False, "Running"),
    ("Always", 1, False, "Running"),
    ("Always", 0, True, "Succeeded"),
    ("Always", 1, True, "Failed"),
    ("OnFailure", 0, False, "Succeeded"),
    ("OnFailure", 1, False, "Running"),
    ("Never", 0, False, "Succeeded"),
    ("Never", 1, False, "Failed"),
]


@pytest.mark.parametrize(("policy", "state", "ending", "expected"), PHASES)
def test_the_phase_follows_from_the_containers(policy: str, state: Any, ending: bool, expected: str) -> None:
    wanted = pod(policy)
    records = records_of(wanted)
    if state is None:
        run(records["a"])
    elif state != "":
        end(records["a"], state)
    assert phase(wanted, records, ending) == expected


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c.get("reason", ""), c.get("message", "")) for c in status["conditions"]}


def test_the_conditions_are_those_of_a_real_kubelet() -> None:
    wanted = pod(init=("one",))
    records = records_of(wanted)
    unready = ("False", "ContainersNotReady", "containers with unready status: [a]")
    status = next_status(wanted, records, Situation("10.244.0.2"))
    assert conditions(status) == {
        "PodReadyToStartContainers": ("True", "", ""),
        "Initialized": ("False", "ContainersNotInitialized", "containers with incomplete status: [one]"),
        "Ready": unready,
        "ContainersReady": unready,
        "PodScheduled": ("True", "", ""),
    }
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    end(records["one"], 0)
    run(records["a"])
    assert {status for status, _, _ in conditions(next_status(wanted, records, Situation("10.244.0.2"))).values()} == {
        "True"
    }


def test_a_finished_pod_says_so_in_its_conditions() -> None:
    wanted = pod("Never")
    records = records_of(wanted)
    end(records["a"], 0)
    shown = conditions(next_status(wanted, records, Situation("10.244.0.2", ending=True)))
    assert shown["Initialized"] == ("True", "PodCompleted", "")
    assert shown["Ready"] == shown["ContainersReady"] == ("False", "PodCompleted", "")


def test_a_container_remembered_from_the_status_of_an_earlier_kubelet_counts_on() -> None:
    wanted = pod()
    records = records_of(wanted)
    run(records["a"])
    records["a"].attempt = 3
    wanted["status"] = next_status(wanted, records, Situation("10.244.0.2"))
    again = records_of(wanted)["a"]
    assert (again.process, again.attempt, again.id, again.ready) == ("running", 3, "1" * 64, True)
