"""What pods go through, as phases and spans of time: objects in, states out."""

from __future__ import annotations

from typing import Any

import pytest

from kubechaos_helpers import phases
from kubechaos_helpers.phases import Change, Span

SELECTOR = {"app": "kubechaos"}
RUNNING: dict[str, Any] = {"state": {"running": {}}}


def pod(ready: bool = False, labels: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    metadata = {"name": "pod-a", "labels": SELECTOR if labels is None else labels}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions, **status}}


def ending(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "deletionTimestamp": "2026-01-02T03:04:05Z"}}


@pytest.mark.parametrize(
    ("obj", "phase"),
    [
        ({"metadata": {"name": "new", "labels": SELECTOR}}, "pending"),
        (pod(containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}]), "pending"),
        (pod(containerStatuses=[RUNNING]), "running, not ready"),
        (pod(True, containerStatuses=[RUNNING]), "ready"),
        (ending(pod(True, containerStatuses=[RUNNING])), "terminating"),
        (pod(phase="Failed"), "terminating"),
        (pod(containerStatuses=[{"state": {"terminated": {"exitCode": 1}}}]), "container down"),
        (pod(containerStatuses=[{"restartCount": 2, "state": {"waiting": {}}}]), "container down"),
        (pod(True, {"app": "study"}, containerStatuses=[RUNNING]), "not selected"),
        (ending(pod(True, {"app": "study"})), "terminating"),
    ],
)
def test_a_pod_is_in_one_phase(obj: dict[str, Any], phase: str) -> None:
    assert phases.phase_of(obj, SELECTOR) == phase


@pytest.mark.parametrize(
    ("labels", "selector", "is_selected"),
    [
        ({"app": "a", "version": "b"}, {"app": "a"}, True),
        ({"app": "a"}, {"app": "a", "version": "b"}, False),
        ({"app": "x"}, {"app": "a"}, False),
        ({"app": "a"}, {}, False),
    ],
)
def test_a_selector_finds_pods_that_have_all_its_labels(labels: Any, selector: Any, is_selected: bool) -> None:
    assert phases.is_selected(pod(labels=labels), selector) is is_selected


def endpoint(name: str, **conditions: bool) -> dict[str, Any]:
    return {"targetRef": {"name": name}, "conditions": conditions}


def test_an_endpoint_is_listed_by_its_conditions_and_as_ready_without_them() -> None:
    first = {
        "endpoints": [
            endpoint("a", ready=True, serving=True, terminating=False),
            endpoint("b", ready=False, serving=True, terminating=True),
            endpoint("c", ready=False, serving=False, terminating=True),
            endpoint("d", ready=False, serving=False, terminating=False),
            endpoint("e"),
        ]
    }
    assert phases.listings([first, {"endpoints": None}]) == {
        "a": "ready",
        "b": "serving while it ends",
        "c": "terminating",
        "d": "not ready",
        "e": "ready",
    }


def test_a_pod_is_listed_as_ready_when_one_of_several_slices_has_it_so() -> None:
    ready, not_ready = {"endpoints": [endpoint("a", ready=True)]}, {"endpoints": [endpoint("a", ready=False)]}
    assert phases.listings([ready, not_ready]) == phases.listings([not_ready, ready]) == {"a": "ready"}


def test_states_follow_each_other_until_the_end_or_until_the_pod_is_gone() -> None:
    changes = [
        Change(1, "a", "pending"),
        Change(2, "b", "ready"),
        Change(3, "a", "ready"),
        Change(4, "a", "ready"),
        Change(5, "b", "terminating"),
        Change(6, "b", "gone"),
    ]
    assert phases.spans(changes, end=9) == {
        "a": [Span(1, 3, "pending"), Span(3, 9, "ready")],
        "b": [Span(2, 5, "ready"), Span(5, 6, "terminating")],
    }


def test_a_pod_that_comes_again_under_its_name_leaves_a_hole() -> None:
    changes = [Change(1, "a", "ready"), Change(2, "a", "gone"), Change(4, "a", "pending")]
    assert phases.spans(changes, end=9) == {"a": [Span(1, 2, "ready"), Span(4, 9, "pending")]}
