"""The story of what happened behind a Service: told in words by golden tables, and followed on a live cluster."""

from __future__ import annotations

import pytest
from eventually import eventually
from threads import threads

from kubechaos_helpers import Cluster, CourseError, Visits
from kubechaos_helpers.phases import Change
from kubechaos_helpers.story import Told
from kubechaos_helpers.visits import Visit

SERVICE, CUSTOM = "kubechaos-svc", "kubechaos-custom"
BEGAN = 1000.0  # when the probe began
VERSIONS = {"old": "original", "new": "custom"}


def change(*rows: tuple[float, str, str]) -> list[Change]:
    return [Change(BEGAN + at, pod, state) for at, pod, state in rows]


PODS = change(
    (-1, "old", "ready"),
    (2, "new", "pending"),
    (2.5, "new", "running, not ready"),
    (3, "new", "ready"),
    (3.1, "old", "terminating"),
    (5, "old", "gone"),
)
LISTED = change((-1, "old", "ready"), (2.5, "new", "not ready"), (3.02, "new", "ready"), (3.2, "old", "terminating"))


def told(pods: list[Change] = PODS, listed: list[Change] = LISTED) -> Told:
    return Told(SERVICE, pods, listed, VERSIONS, BEGAN - 0.5, BEGAN + 9)


def visit(at: float, pod: str = "", error: str = "", connection: int = 0) -> Visit:
    number = connection or int(at * 1000)
    return Visit(at, 0.01, 0, number, 1, pod, 0 if error else 200, 10, error)


def visits(*found: Visit) -> Visits:
    return Visits(found, {}, started=BEGAN)


ANSWERED = [visit(0.5 * each, "old" if each < 6 else "new") for each in range(1, 18)]


def test_failures_are_told_with_the_time_and_the_pod_that_was_terminating() -> None:
    lost = visits(*ANSWERED, visit(3.12, error="no answer"), visit(3.4, error="no answer"), visit(3.02, "new"))
    assert told().lost(lost).reading() == (
        "2 of 20 requests failed, all between 3.1 s and 3.4 s, while old was terminating."
    )


def test_each_lost_visit_has_a_line() -> None:
    kept = [visit(1, "old", connection=7), visit(3.15, error="cut off", connection=7)]
    found = told().lost(visits(*kept, visit(3.04, error="no answer"), visit(8.5, "new")))
    assert found.table().splitlines() == [
        "SENT AT   LASTED    ERROR       POD      MEANWHILE",
        "3.04 s    0.010 s   no answer   <none>   …new was ready without having answered yet",
        "3.15 s    0.010 s   cut off     old      …old was terminating and …new was ready without having answered yet",
    ]
    assert found.reading() == (
        "2 of 4 requests failed, all between 3.0 s and 3.1 s, while new was ready without having answered yet,"
        " 1 of them while old was terminating."
    )
    assert [(each.pod, each.error) for each in found] == [("", "no answer"), ("old", "cut off")]


@pytest.mark.parametrize(
    ("pods", "listed", "at", "meanwhile"),
    [
        ([(-1, "old", "ready")], [(-1, "old", "ready")], 4, "no pod changed"),
        ([(-1, "old", "ready")], [], 4, "no pod was ready in the EndpointSlice"),
        ([(-1, "old", "ready"), (3.5, "old", "gone")], [(-1, "old", "ready")], 4, "old was just gone"),
        (
            [(-1, "old", "ready"), (3.5, "old", "container down")],
            [(-1, "old", "ready")],
            4,
            "old was without a running container",
        ),
        (
            [(-1, "old", "ready"), (3.5, "old", "running, not ready")],
            [(-1, "old", "ready"), (3.6, "old", "not ready")],
            4,
            "no pod was ready in the EndpointSlice and old was running but no longer ready",
        ),
        (
            [(-1, "old", "ready"), (-1, "new", "ready"), (3.5, "old", "not selected")],
            [(-1, "old", "ready"), (-1, "new", "ready")],
            4,
            "old was no longer selected",
        ),
        ([(-1, "old", "terminating"), (8, "old", "gone")], [(-1, "new", "ready")], 4, "no pod changed"),
        ([(-1, "old", "ready")], [(-1, "old", "ready")], 20, "the story was not followed"),
    ],
)
def test_what_the_pods_were_doing_is_said(pods: list, listed: list, at: float, meanwhile: str) -> None:  # type: ignore[type-arg]
    before = [visit(0.1, "old"), visit(0.2, "new")]
    [lost] = told(change(*pods), change(*listed)).lost(visits(*before, visit(at, error="no answer")))
    assert lost.sentence == meanwhile


def test_who_waited_in_vain_was_lost_when_they_began_to_wait() -> None:
    waited = Visit(1.5, 5, 0, 1, 1, "", 0, 0, "timeout")
    [lost] = told().lost(visits(*ANSWERED, waited))
    assert lost.sentence == "no pod changed"


def test_when_all_is_answered_it_says_so_and_how_many_pods_came_and_went() -> None:
    chart = told().show(visits(*ANSWERED))
    assert chart.reading == "All 17 requests were answered. 1 pod came and 1 went meanwhile."
    assert chart.table.splitlines() == [
        "POD   VERSION    READY FROM … TO   REQUESTS   FAILURES",
        "old   original   start … 3.1 s     5          0",
        "new   custom     3.0 s … end       12         0",
    ]


def test_failures_that_belong_to_no_pod_have_a_line_of_their_own() -> None:
    kept = [visit(1, "old", connection=7), visit(3.15, error="cut off", connection=7)]
    chart = told().show(visits(*ANSWERED, *kept, visit(3.04, error="no answer")))
    assert chart.table.splitlines()[1:] == [
        "old                 original   start … 3.1 s     6          1",
        "new                 custom     3.0 s … end       12         0",
        "(nobody answered)                                           1",
    ]


def test_many_lost_visits_are_cut_short() -> None:
    many = [visit(3.2 + each / 1000, error="no answer") for each in range(25)]
    table = told().lost(visits(*ANSWERED, *many)).table()
    assert len(table.splitlines()) == 22
    assert table.endswith("and 5 more")


def test_failures_of_several_moments_are_told_by_what_went_on() -> None:
    found = told().lost(visits(*ANSWERED, *(visit(at, error="no answer") for at in (1.5, 3.2, 3.3))))
    assert found.reading() == (
        "3 of 20 requests failed, all between 1.5 s and 3.3 s, 2 of them while old was terminating,"
        " 1 of them while no pod changed."
    )


def test_visits_of_another_time_are_refused() -> None:
    with pytest.raises(CourseError, match="were not made while this story was followed"):
        told().show(Visits(ANSWERED, VERSIONS, started=BEGAN + 100))


# --- on a live cluster


def test_a_deleted_pod_ends_and_another_one_comes_while_visits_go_on(lesson: Cluster) -> None:
    story = lesson.start_story(SERVICE)
    running = lesson.start_probe(SERVICE, visitors=2, requests=0, duration=60, rate=50, keep_alive=False)
    eventually(lambda: len(running.visits.pods) == 2, "both pods have answered")
    [old] = (pod["metadata"]["name"] for pod in lesson.objects("pods", "version=custom"))
    lesson.delete("pod", old)
    lesson.wait_until_served_by(SERVICE, 2)
    [new] = (pod["metadata"]["name"] for pod in lesson.objects("pods", "version=custom"))
    eventually(lambda: new in running.visits.pods, "the new pod has answered")
    seen, found = running.stop(), story.stop()
    assert threads() == []
    assert [span.state for span in found.pods[old]] == ["ready", "terminating"]
    # Who visits and who watches are two: neither is the first to know of a pod.
    assert [span.state for span in found.pods[new]][-1] == "ready"
    assert found.pods[new][0].begin > found.pods[old][0].begin
    assert found.listed[old][0].state == "ready"
    assert found.listed[old][-1].end < found.end
    assert found.pods[old][-1].end <= found.end
    chart = found.show(seen)
    assert chart.reading.endswith("1 pod came and 1 went meanwhile.")
    assert {seen.version_of[old], seen.version_of[new]} == {"custom"}


def test_a_pod_that_loses_its_label_leaves_the_service_and_the_story_says_so(lesson: Cluster) -> None:
    [pod] = (each["metadata"]["name"] for each in lesson.objects("pods", "version=original"))
    story = lesson.start_story(SERVICE)
    path = lesson.api.kind("pods").path("default", pod)
    lesson.api.request("PATCH", path, None, {"metadata": {"labels": {"app": "study"}}}, "application/merge-patch+json")
    lesson.wait_until_ready("kubechaos-original")
    lesson.wait_until_served_by(SERVICE, 2)
    found = story.stop()
    assert [span.state for span in found.pods[pod]] == ["ready", "not selected"]
    assert found.listed[pod][-1].end < found.end


def test_pods_that_were_never_selected_are_no_part_of_the_story(lesson: Cluster) -> None:
    path = lesson.api.kind("services").path("default", SERVICE)
    wanted = {"spec": {"selector": {"version": "original"}}}
    lesson.api.request("PATCH", path, None, wanted, "application/merge-patch+json")
    found = lesson.start_story(SERVICE).stop()
    assert [found.version_of[pod] for pod in found.pods] == ["original"]


def test_stopping_twice_tells_the_same_and_a_new_story_ends_the_one_before(lesson: Cluster) -> None:
    first, second = lesson.start_story(SERVICE), lesson.start_story(SERVICE)
    assert second.stop() is second.stop()
    assert len(first.stop().pods) == 2
    assert threads() == []


def test_a_story_needs_a_service_with_a_selector(lesson: Cluster) -> None:
    with pytest.raises(CourseError, match="There is no Service nosuch"):
        lesson.start_story("nosuch")
    with pytest.raises(CourseError, match="Service kubernetes has no selector"):
        lesson.start_story("kubernetes")
