"""What a Service leads to: in words by golden tables, as a drawing, and live on a cluster."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from eventually import eventually, eventually_says
from threads import threads

from kubechaos_helpers import Cluster, CourseError, drawing
from kubechaos_helpers.live_drawing import LiveDrawing
from kubechaos_helpers.style import KNOWN, OTHERS
from kubechaos_helpers.widgets import Background
from kubechaos_helpers.wiring import Wiring, wire

SERVICE = "kubechaos-svc"


def service(target: int | str = 3000, **selector: str) -> dict[str, Any]:
    return {"spec": {"selector": selector, "ports": [{"port": 3000, "targetPort": target}]}}


def pod(name: str, address: str, ready: bool = True, port: int = 3000, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {**labels, "pod-template-hash": "6d9f"}},
        "spec": {"containers": [{"ports": [{"containerPort": port}]}]},
        "status": {
            "podIP": address,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"state": {"running": {}}}],
        },
    }


def slices(**listed: bool) -> list[dict[str, Any]]:
    endpoints = [{"targetRef": {"name": name}, "conditions": {"ready": ready}} for name, ready in listed.items()]
    return [{"endpoints": endpoints}]


PODS = [
    pod("b", "10.244.0.6", ready=False, app="kubechaos", version="original"),
    pod("a", "10.244.0.5", app="kubechaos", version="custom"),
    pod("c", "10.244.0.7", app="study", version="custom"),
]


def wired(obj: dict[str, Any] | None, pods: list[dict[str, Any]] = PODS, **listed: bool) -> Wiring:
    return wire(SERVICE, obj, slices(**listed), pods)


def test_the_table_has_every_pod_and_those_that_do_not_match_come_last() -> None:
    found = wired(service(app="kubechaos"), a=True, b=False)
    assert found.table().splitlines() == [
        "POD   ADDRESS      LABELS                           STATE                MATCHES   IN SLICE",
        "a     10.244.0.5   app=kubechaos,version=custom     ready                yes       ready",
        "b     10.244.0.6   app=kubechaos,version=original   running, not ready   yes       not ready",
        "c     10.244.0.7   app=study,version=custom         ready                no        no",
    ]
    assert found.reading() == (
        "Service kubechaos-svc selects app=kubechaos: 2 of 3 pods match, and 1 is ready in its EndpointSlice."
    )


@pytest.mark.parametrize(
    ("found", "reading"),
    [
        (wired(None), "There is no Service kubechaos-svc."),
        (wired(service()), "Service kubechaos-svc has no selector, so it finds no pods."),
        (
            wired(service(app="x"), []),
            "No pod matches Service kubechaos-svc, which selects app=x: there are no pods.",
        ),
        (
            wired(service(app="kubechaos", version="custm", tier="web")),
            "No pod matches Service kubechaos-svc, which selects app=kubechaos,tier=web,version=custm."
            " The closest is a: its version is custom, not custm, it has no label tier.",
        ),
        (
            wired(service(3001, app="study"), c=True),
            "Service kubechaos-svc selects app=study: 1 of 3 pods matches, and 1 is ready in its EndpointSlice."
            " It sends to port 3001, but the pods declare 3000.",
        ),
        (
            wired(service("http", app="study"), c=True),
            "Service kubechaos-svc selects app=study: 1 of 3 pods matches, and 1 is ready in its EndpointSlice.",
        ),
    ],
)
def test_the_reading_names_what_keeps_pods_away(found: Wiring, reading: str) -> None:
    assert found.reading() == reading


def parse(found: Wiring) -> ET.Element:
    [svg] = re.findall(r"<svg.*</svg>", drawing.draw(found), re.DOTALL)
    return ET.fromstring(svg)


def texts(svg: ET.Element) -> list[str]:
    return [each.text or "" for each in svg.iter("text")]


def test_a_pod_in_the_slice_has_a_solid_arrow_and_one_that_is_not_ready_a_dashed_one() -> None:
    svg = parse(wired(service(app="kubechaos"), a=True, b=False))
    assert ["stroke-dasharray" in line.attrib for line in svg.iter("line")] == [False, False, True]
    assert texts(svg)[-10:] == [
        "a",
        "app=kubechaos,version=custom",
        "● ready",
        "b",
        "app=kubechaos,version=original",
        "◐ running, not ready",
        "Other pods: no match",
        "c",
        "its app is study, not kubechaos",
        "● ready",
    ]


def test_a_drawing_has_its_reading_as_alternative_text_and_takes_its_colours_from_the_page() -> None:
    found = wired(service(app="kubechaos"), a=True)
    svg = parse(found)
    assert (svg.get("role"), svg.get("aria-label")) == ("img", found.reading())
    assert "var(--jp-ui-font-color1" in drawing.draw(found)
    assert found.table() in drawing.draw(found)


def test_versions_differ_by_pattern_and_every_pattern_can_be_drawn() -> None:
    svg = parse(wired(service(app="kubechaos"), a=True))
    assert len({each.get("id") for each in svg.iter("pattern")}) == 2
    assert {look.hatch[0] for look in [*KNOWN.values(), *OTHERS]} == drawing.TILES.keys()


def test_of_many_pods_the_first_are_drawn_and_the_table_has_all() -> None:
    many = [pod(f"pod-{number:02}", "10.244.0.9", app="kubechaos") for number in range(30)]
    found = wired(service(app="kubechaos"), many)
    assert "Pods that match (12 of 30 are drawn)" in texts(parse(found))
    assert len(found.table().splitlines()) == 31


def test_words_from_the_cluster_are_escaped() -> None:
    assert "<b>" not in drawing.draw(wired(service(app="<b>")))


# --- live


def select(cluster: Cluster, selector: dict[str, str | None]) -> None:
    path = cluster.api.kind("services").path("default", SERVICE)
    cluster.api.request("PATCH", path, None, {"spec": {"selector": selector}}, "application/merge-patch+json")


@pytest.fixture
def live(lesson: Cluster) -> Iterator[LiveDrawing]:
    found = lesson.draw(SERVICE)
    yield found
    found.stop()
    assert threads() == []


def test_the_drawing_changes_as_the_cluster_does(lesson: Cluster, live: LiveDrawing) -> None:
    assert "2 of 2 pods match, and 2 are ready" in live.text
    lesson.set_replicas("kubechaos-custom", 2)
    eventually_says(lambda: live.text, "3 of 3 pods match, and 3 are ready")
    select(lesson, {"version": "custm"})
    eventually_says(lambda: live.text, "its version is custom, not custm")
    lesson.delete("service", SERVICE)
    eventually_says(lambda: live.text, f"There is no Service {SERVICE}.")
    assert "Watching." in live.text


def test_a_kept_notebook_has_the_moment_when_the_cell_ran(lesson: Cluster, live: LiveDrawing) -> None:
    kept = live._repr_mimebundle_()["text/plain"]
    assert kept.splitlines()[0].split()[:2] == ["POD", "ADDRESS"]
    assert kept.endswith("2 of 2 pods match, and 2 are ready in its EndpointSlice.")
    select(lesson, {"version": "custm"})
    eventually_says(lambda: live.text, "No pod matches")
    assert live._repr_mimebundle_()["text/plain"] == kept


def test_the_stop_button_and_the_cell_run_again_end_a_drawing(
    lesson: Cluster, live: LiveDrawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = lesson.draw(SERVICE)
    eventually_says(lambda: live.text, "Stopped.")
    with monkeypatch.context() as patch:
        patch.setattr(Background, "join", lambda _: pytest.fail("a callback must not wait for the work to end"))
        again._button.click()
    eventually_says(lambda: again.text, "Stopped.")
    eventually(lambda: again._button.disabled, "the button is off")
    eventually(threads, "no thread is left", so=lambda left: left == [])


def test_a_drawing_ends_by_itself_and_is_sent_only_when_it_has_changed(lesson: Cluster) -> None:
    sent: list[str] = []
    short = lesson.draw(SERVICE, seconds=1)
    short._shown.observe(lambda change: sent.append(change["new"]), "value")
    eventually_says(lambda: short.text, "Ended after 1 s.")
    eventually(threads, "no thread is left", so=lambda left: left == [])
    assert sent == []


def test_a_drawing_needs_a_service_that_exists(lesson: Cluster) -> None:
    with pytest.raises(CourseError, match="There is no Service nosuch"):
        lesson.draw("nosuch")
    assert threads() == []
