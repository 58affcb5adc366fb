"""Live widgets without a browser: their values are set, and what the cluster does is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from eventually import eventually, eventually_says
from threads import threads

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.course import page
from kubechaos_helpers.sliders import ReplicaSliders, _number, _slider
from kubechaos_helpers.widgets import Background

LESSON = "manifests/02-two-deployments-one-service"
CUSTOM = "kubechaos-custom"


@pytest.fixture
def sliders(lesson: Cluster) -> Iterator[ReplicaSliders]:
    found = lesson.replica_sliders("kubechaos-original", CUSTOM, service="kubechaos-svc")
    yield found
    found.stop()
    assert threads() == []


def replicas(cluster: Cluster, name: str = CUSTOM) -> int:
    return int(cluster.read("deployment", name)["spec"]["replicas"])


# --- sliders


def test_moving_a_slider_scales_the_deployment(lesson: Cluster, sliders: ReplicaSliders) -> None:
    sliders[CUSTOM].value = 3
    lesson.wait_until_served_by("kubechaos-svc", 4)
    eventually_says(lambda: sliders.text, f"{CUSTOM}: 3 ready")


def test_the_chart_shows_the_split_with_its_words_while_traffic_flows(sliders: ReplicaSliders) -> None:
    eventually_says(lambda: sliders.text, '<img alt="Of ', "custom got")


def test_only_the_value_wanted_last_reaches_the_cluster(lesson: Cluster, sliders: ReplicaSliders) -> None:
    for value in (2, 5, 1, 4, 0, 2):
        sliders[CUSTOM].value = value
    sliders.stop()
    assert replicas(lesson) == 2


def test_sliders_follow_what_somebody_else_sets_even_beyond_their_range(
    lesson: Cluster, sliders: ReplicaSliders
) -> None:
    lesson.set_replicas(CUSTOM, 8)
    eventually(lambda: sliders[CUSTOM].value == 8, "the slider stands at 8")
    eventually_says(lambda: sliders.text, f"{CUSTOM}: 8 ready")
    assert replicas(lesson) == 8


def test_a_number_field_beside_each_slider_does_the_same(lesson: Cluster, sliders: ReplicaSliders) -> None:
    number = sliders._widget.children[1].children[1]
    assert number.description == "replicas"
    number.value = 2
    assert sliders[CUSTOM].value == 2
    eventually(lambda: replicas(lesson), "the Deployment has two replicas", so=lambda number: number == 2)


def test_the_stop_button_waits_for_nobody_and_a_moved_slider_goes_on(
    lesson: Cluster, sliders: ReplicaSliders, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Background, "join", lambda _: pytest.fail("a callback must not wait for the work to end"))
        sliders._button.click()
    eventually_says(lambda: sliders.text, "Stopped. Move a slider to go on.")
    assert sliders._button.disabled
    sliders[CUSTOM].value = 2
    eventually(lambda: replicas(lesson), "the Deployment has two replicas", so=lambda number: number == 2)
    assert not sliders._button.disabled


def test_running_the_cell_again_ends_the_sliders_before(lesson: Cluster, sliders: ReplicaSliders) -> None:
    again = lesson.replica_sliders("kubechaos-original", CUSTOM, service="kubechaos-svc")
    eventually_says(lambda: sliders.text, "Stopped.")
    again.stop()


def test_sliders_end_by_themselves(lesson: Cluster) -> None:
    short = lesson.replica_sliders(CUSTOM, service="kubechaos-svc", seconds=1)
    eventually_says(lambda: short.text, "Ended after 1 s. Move a slider to go on.")
    eventually(threads, "no thread is left", so=lambda left: left == [])


def test_a_deployment_that_is_gone_is_named(lesson: Cluster, sliders: ReplicaSliders) -> None:
    lesson.delete("deployment", CUSTOM)
    eventually_says(lambda: sliders.text, f"Deployment {CUSTOM} is gone. Apply the manifest again")


def test_sliders_need_deployments_that_exist(lesson: Cluster, sliders: ReplicaSliders) -> None:
    with pytest.raises(CourseError, match="There is no Deployment nosuch"):
        lesson.replica_sliders("nosuch", service="kubechaos-svc")
    with pytest.raises(CourseError, match="There is no slider for 'nosuch'; there are: kubechaos-original, kube"):
        sliders["nosuch"]


def test_a_kept_notebook_has_the_same_text_each_time(sliders: ReplicaSliders) -> None:
    bundle = sliders._repr_mimebundle_()
    assert bundle["text/plain"] == (
        "Replica sliders for kubechaos-original, kubechaos-custom; run the cell to see them."
    )
    assert "application/vnd.jupyter.widget-view+json" in bundle


# --- the live table


def test_a_watch_shows_the_pods_until_all_of_both_deployments_are_ready(cluster: Cluster) -> None:
    cluster.apply(page.shipped(f"{LESSON}/dual.yaml"))
    table = cluster.watch("pods", selector="app=kubechaos")
    eventually_says(lambda: table.text, "All 2 are ready.")
    assert table.text.count("1/1     Running") == 2
    eventually(threads, "no thread is left", so=lambda left: left == [])


def test_a_watch_sees_a_pod_go_through_its_states(lesson: Cluster) -> None:
    lesson.apply(page.shipped(f"{LESSON}/dual.yaml").read_text().replace("local/kubechaos:v2", "local/nosuch:v9"))
    table = lesson.watch("pods", selector="version=custom", seconds=30)
    eventually(lambda: table.text, "the image's trouble", so=lambda text: "Err" in text or "ImagePullBackOff" in text)
    assert "Watching." in table.text
    table.stop()
    assert "Stopped." in table.text
    assert threads() == []


def test_a_watch_ends_at_its_deadline(cluster: Cluster) -> None:
    table = cluster.watch("pods", selector="app=nosuch", seconds=1)
    eventually_says(lambda: table.text, "Ended after 1 s.")
    assert "No resources found." in table.text


def test_running_a_watch_again_ends_the_one_before(cluster: Cluster) -> None:
    first = cluster.watch("pods", selector="app=nosuch")
    second = cluster.watch("pods", selector="app=nosuch")
    eventually_says(lambda: first.text, "Stopped.")
    second._button.click()
    eventually_says(lambda: second.text, "Stopped.")
    eventually(lambda: second._button.disabled, "the button is off")
    eventually(threads, "no thread is left", so=lambda left: left == [])


# --- what they share


def test_only_the_newest_of_a_name_works_and_it_begins_when_the_one_before_has_ended() -> None:
    seen: list[str] = []

    def work(name: str) -> Callable[[Background], None]:
        def run(background: Background) -> None:
            seen.append(f"{name} begins")
            while not background.is_over:
                background.pause(10)
            seen.append(f"{name} ends")

        return run

    first, second = (Background("test", work(name), 60) for name in ("first", "second"))
    first.start()
    eventually(lambda: seen == ["first begins"], "the first works")
    second.start()
    eventually(lambda: len(seen) == 3, "the second works")
    second.stop()
    assert seen == ["first begins", "first ends", "second begins", "second ends"]
    assert first.was_stopped
    assert second.is_over


def test_work_is_over_when_its_time_is() -> None:
    background = Background("test", lambda background: background.pause(60), 0.05)
    background.start()
    background.join()
    assert background.is_over
    assert not background.was_stopped


def test_a_slider_may_be_set_on_two_threads_at_once() -> None:
    slider = _slider("web", 1, 6)
    number = _number(slider)
    troubles: list[Exception] = []

    def move(values: list[int]) -> None:
        try:
            for _ in range(300):
                for value in values:
                    slider.value = value
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=move, args=(values,)) for values in ([1, 2, 3], [4, 5, 6])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    slider.value = 1
    assert number.value == 1
    number.value = 2
    assert slider.value == 2
