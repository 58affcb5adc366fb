"""A Service's slices tell what the real controllers told of the same pods, in as few changes as possible."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket_cluster.api.objects import Object, labels, name
from pocket_cluster.api.selectors import from_map
from pocket_cluster.controllers.endpoint_slice_decisions import (
    MOST_ENDPOINTS,
    SERVICE_NAME,
    TRIGGER_TIME,
    Plan,
    plan,
)
from pocket_cluster.controllers.endpoints import wanted_endpoints
from pocket_cluster.controllers.service_pods import TriggerTimes

# A real cluster (Kubernetes 1.36.3) with a pod that is not ready and one that is ending.
RECORDED = yaml.safe_load((Path(__file__).parent / "golden/recorded_endpoints.yaml").read_text())
SERVICES = [service for service in RECORDED["services"] if service["spec"].get("selector")]


def selected(service: Object) -> list[Object]:
    selector = from_map(service["spec"]["selector"])
    return [pod for pod in RECORDED["pods"] if selector.matches(labels(pod))]


def in_order(content: Any) -> Any:
    """The real order of ports, endpoints and slices is that of hashes: compare without it."""
    if isinstance(content, dict):
        return {key: in_order(value) for key, value in content.items()}
    if isinstance(content, list):
        return sorted((in_order(each) for each in content), key=str)
    return content


@pytest.mark.parametrize("service", SERVICES, ids=name)
def test_the_slices_are_those_of_a_real_cluster(service: Object) -> None:
    recorded = [each for each in RECORDED["endpointSlices"] if labels(each)[SERVICE_NAME] == name(service)]
    expected = [{**each, "endpoints": each["endpoints"] or [], "ports": each["ports"] or []} for each in recorded]
    created = plan(service, selected(service), []).create
    told = [{**each, "metadata": {"labels": labels(each)}} for each in created]
    assert in_order(told) == in_order(expected)


@pytest.mark.parametrize("service", SERVICES, ids=name)
def test_the_endpoints_are_those_of_a_real_cluster(service: Object) -> None:
    expected = next(each for each in RECORDED["endpoints"] if name(each) == name(service))
    told = wanted_endpoints(service, selected(service), None)
    assert told is not None
    told["metadata"].pop("namespace")
    assert in_order(told) == in_order(expected)


def test_endpoints_that_tell_the_same_are_not_written_again() -> None:
    for service in SERVICES:
        written = wanted_endpoints(service, selected(service), None)
        assert wanted_endpoints(service, selected(service), written) is None


# --- few changes


def make_service(**spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 3000, "protocol": "TCP"}]
    defaults = {"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.9"}
    return {"metadata": {"name": "web", "namespace": "default", "uid": "s"}, "spec": {**defaults, **spec}}


def make_pods(first: int, last: int, **status: Any) -> list[Object]:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return [
        {
            "metadata": {"name": f"web-{number:04}", "namespace": "default", "uid": f"u{number}"},
            "spec": {"nodeName": "pocket", "containers": []},
            "status": {**ready, "podIP": f"10.244.{number // 250}.{number % 250 + 1}", **status},
        }
        for number in range(first, last)
    ]


def written(changes: Plan, existing: list[Object]) -> list[Object]:
    """The slices after a plan, with names as the API server would give them."""
    gone = {name(each) for each in [*changes.delete, *changes.update]}
    kept = [each for each in existing if name(each) not in gone]
    new = copy.deepcopy(changes.create)
    for number, each in enumerate(new):
        each["metadata"]["name"] = f"web-{len(existing)}{number}"
    return [*kept, *changes.update, *new]


def sizes(pieces: list[Object]) -> list[int]:
    return sorted((len(each["endpoints"]) for each in pieces), reverse=True)


def test_a_slice_holds_a_hundred() -> None:
    changes = plan(make_service(), make_pods(0, 250), [])
    assert sizes(changes.create) == [MOST_ENDPOINTS, MOST_ENDPOINTS, 50]


def test_one_pod_more_changes_one_slice_and_no_other_entry() -> None:
    service, pods = make_service(), make_pods(0, 150)
    existing = written(plan(service, pods, []), [])
    changes = plan(service, [*pods, *make_pods(150, 151)], existing)
    assert (changes.create, changes.delete, sizes(changes.update)) == ([], [], [51])
    before = next(each for each in existing if name(each) == name(changes.update[0]))
    assert changes.update[0]["endpoints"][:50] == before["endpoints"]


def test_a_pod_that_is_replaced_leaves_its_place_to_the_next() -> None:
    service, pods = make_service(), make_pods(0, 3)
    existing = written(plan(service, pods, []), [])
    changes = plan(service, [*pods[1:], *make_pods(7, 8)], existing)
    assert (changes.create, changes.delete) == ([], [])
    assert [each["targetRef"]["name"] for each in changes.update[0]["endpoints"]] == [
        "web-0001",
        "web-0002",
        "web-0007",
    ]


def test_the_same_again_writes_nothing() -> None:
    service, pods = make_service(), make_pods(0, 120)
    assert plan(service, pods, written(plan(service, pods, []), [])) == Plan()
    empty = written(plan(service, [], []), [])
    assert plan(service, [], empty) == Plan()


def test_the_placeholder_becomes_the_first_slice_and_the_last_slice_the_placeholder() -> None:
    service = make_service()
    placeholder = written(plan(service, [], []), [])
    assert [each["endpoints"] for each in placeholder] == [[]]
    filled = plan(service, make_pods(0, 2), placeholder)
    assert [name(each) for each in filled.update] == [name(placeholder[0])]
    emptied = plan(service, [], written(filled, placeholder))
    assert [(name(each), each["endpoints"], each["ports"]) for each in emptied.update] == [
        (name(placeholder[0]), [], [])
    ]
    assert (filled.create, filled.delete, emptied.create, emptied.delete) == ([], [], [], [])


def test_a_slice_of_an_earlier_service_of_that_name_is_deleted_not_reused() -> None:
    service = make_service()
    existing = written(plan(service, make_pods(0, 2), []), [])
    existing[0]["metadata"]["ownerReferences"][0]["uid"] = "another"
    changes = plan(service, make_pods(0, 2), existing)
    assert [name(each) for each in changes.delete] == [name(existing[0])]
    assert len(changes.create) == 1


def test_nothing_is_created_for_a_service_that_is_being_deleted() -> None:
    service = make_service()
    service["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert plan(service, make_pods(0, 2), []).create == []


def test_pods_without_address_and_finished_pods_are_not_listed() -> None:
    pods = [*make_pods(0, 1, podIP=""), *make_pods(1, 2, phase="Succeeded"), *make_pods(2, 3, phase="Failed")]
    assert [each["endpoints"] for each in plan(make_service(), pods, []).create] == [[]]


# --- since when


def test_the_trigger_time_is_the_earliest_change_since_the_last_look() -> None:
    times, service = TriggerTimes(), make_service()
    service["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    pods = make_pods(0, 2)
    assert times.observe(service, pods) == "2026-01-01T00:00:00Z"
    for second, pod in enumerate(pods, 7):
        pod["status"]["conditions"] = [{"type": "Ready", "lastTransitionTime": f"2026-01-01T00:00:0{second}Z"}]
    assert times.observe(service, pods) == "2026-01-01T00:00:07Z"
    assert times.observe(service, pods) == ""


def test_a_slice_carries_the_time_of_its_last_change_only() -> None:
    service = make_service()
    created = written(plan(service, make_pods(0, 1), [], "2026-01-01T00:00:00Z"), [])
    assert created[0]["metadata"]["annotations"] == {TRIGGER_TIME: "2026-01-01T00:00:00Z"}
    assert "annotations" not in plan(service, make_pods(0, 2), created, "").update[0]["metadata"]
