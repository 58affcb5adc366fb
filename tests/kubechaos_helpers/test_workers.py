"""A probe by several workers sees what one would see."""

from __future__ import annotations

from typing import Any

import pytest

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.probe_job import Job
from kubechaos_helpers.visits import Visit, Visits
from kubechaos_helpers.workers import divided, merged


def visit(start: float, visitor: int, connection: int, pod: str = "a-1") -> Visit:
    return Visit(start, 0.01, visitor, connection, 1, pod, 200, 10, "")


def test_visitors_are_divided_as_evenly_as_can_be() -> None:
    assert [part.visitors for part in divided(Job("h", 80, visitors=10), 4)] == [3, 3, 2, 2]


@pytest.mark.parametrize("workers", [0, -1, 11, 2.5, "two"])
def test_a_number_of_workers_that_makes_no_sense_is_a_sentence(workers: Any) -> None:
    with pytest.raises(CourseError, match=r"workers must be a whole number from 1 to the number of visitors, 10, not"):
        divided(Job("h", 80, visitors=10), workers)


def test_what_they_saw_is_put_on_one_clock_and_no_visitor_is_taken_for_another() -> None:
    first = Visits([visit(0.0, 0, 1), visit(0.1, 1, 2)], {"a-1": "a"}, started=100.0)
    second = Visits([visit(0.2, 0, 1, "b-1")], {"b-1": "b"}, started=100.5)
    together = merged([first, Visits([]), second])
    assert [(each.start, each.visitor, each.connection) for each in together] == [(0.0, 0, 1), (0.1, 1, 2), (0.7, 2, 3)]
    assert (together.started, together.interrupted) == (100.0, False)
    assert together.sequence("version") == ["a", "a", "b"]


def test_processes_on_the_embedded_cluster(lesson: Cluster) -> None:
    visits = lesson.probe("kubechaos-svc", visitors=20, requests=5, keep_alive=True, workers=3)
    assert visits.reading().startswith("100 of 100 visits were answered, over 20 connections")
    assert len({each.visitor for each in visits}) == 20
    assert visits.loyal_visitors() == 20


def another(cluster: Cluster) -> Cluster:
    """The same cluster, as one that is not the course's own."""
    return Cluster(cluster.api, "default", "context class", cluster._images)


def test_pods_of_an_indexed_job_elsewhere_and_nothing_is_left(lesson: Cluster) -> None:
    visits = another(lesson).probe("kubechaos-svc", visitors=6, requests=5, keep_alive=False, workers=2)
    assert visits.reading().startswith("30 of 30 visits were answered, over 30 connections, by 2 pods.")
    assert len({each.visitor for each in visits}) == 6
    lesson.wait_until_gone("pods", selector="kubechaos-course/probe")
    assert [lesson.objects(kind, "kubechaos-course/probe") for kind in ("jobs", "configmaps")] == [[], []]


def test_a_workers_image_that_is_missing_is_told_and_nothing_is_left(
    lesson: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubechaos_helpers.workers.IMAGE", "local/kubechaos:nosuch")
    with pytest.raises(CourseError, match=r"A worker cannot do its part\. Pod kubechaos-probe-.* waits for the image"):
        another(lesson).probe("kubechaos-svc", visitors=2, workers=2)
    assert lesson.objects("jobs") == []


@pytest.mark.parametrize("options", [{"requests": 0, "duration": 5.0}, {"requests": 100_000}])
def test_more_than_a_log_can_hold_is_refused(lesson: Cluster, options: Any) -> None:
    with pytest.raises(CourseError, match=r"can tell of 60,000 visits: say how many requests"):
        another(lesson).probe("kubechaos-svc", visitors=2, workers=2, **options)
