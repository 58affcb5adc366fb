"""Quizzes, explanations, hints and catching up, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eventually import eventually

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.course import catch_me_up, check, explain, hints, quiz, record
from kubechaos_helpers.course.lesson import bring_to
from kubechaos_helpers.course.pages import Answer
from kubechaos_helpers.course.quiz import verdict
from kubechaos_helpers.files import shipped

DUAL = "manifests/02-two-deployments-one-service/dual.yaml"
START = "manifests/02-two-deployments-one-service/start.yaml"


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    return tmp_path / "my"


# --- quizzes


def test_an_answer_that_is_not_chosen_is_asked_for() -> None:
    question = quiz("02").questions[0]
    question.button.click()
    assert "Nothing is chosen yet. Choose an answer, then check it." in question.state.value
    assert record.kept("questions") == {}


def test_a_wrong_answer_is_explained_and_a_right_one_stays_right() -> None:
    question = quiz("02").questions[1]
    for choice, begins, is_right in ((0, "Not so. Behind this is", False), (1, "Right.", True), (2, "Not so.", True)):
        question.choice.value = choice
        question.button.click()
        assert begins in question.state.value
        assert record.kept("questions") == {"02.q2": is_right}
    assert "You have answered this rightly before." in quiz("02").questions[1].state.value


def test_a_verdict_points_to_a_section() -> None:
    wrong = Answer("In turns", "Behind this is a page.", see="02.9")
    assert verdict(wrong) == (
        "Not so. Behind this is a page. See section 02.9 (Question 2: how is a pod chosen for hundreds of users?)."
    )


# --- explanations


def test_the_model_answer_opens_after_a_sentence_of_ones_own() -> None:
    asked = explain("02.version-label")
    asked.field.value = "  "
    asked.button.click()
    assert "Write a sentence first" in asked.state.value
    assert asked.answer.value == ""
    asked.field.value = "They <differ>."
    asked.button.click()
    assert "A model answer:" in asked.answer.value
    again = explain("02.version-label")
    assert again.field.value == "They <differ>."
    assert "A model answer:" in again.answer.value


# --- the learner's record


def test_parts_do_not_disturb_each_other(my: Path) -> None:
    record.keep("exercises", "02.x", True)
    record.keep("questions", "02.q1", False)
    record.keep("exercises", "02.y", True)
    kept = json.loads((my / "progress.json").read_text())
    assert kept == {"exercises": {"02.x": True, "02.y": True}, "questions": {"02.q1": False}}


def test_a_part_that_is_not_as_expected_is_begun_anew(my: Path) -> None:
    my.mkdir()
    (my / "progress.json").write_text('{"questions": [1], "exercises": {"02.x": true}}')
    record.keep("questions", "02.q1", True)
    assert record.kept("questions") == {"02.q1": True}
    assert record.kept("exercises") == {"02.x": True}


# --- checks and hints


def test_a_check_says_what_is_missing_and_keeps_what_is_done(
    embedded: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    bring_to(embedded, "")
    check("02.two-versions")
    assert capsys.readouterr().out.startswith("Not yet. There is no Deployment kubechaos-original")
    bring_to(embedded, DUAL)
    check("02.two-versions")
    assert capsys.readouterr().out.startswith("Done. ")
    assert record.kept("exercises") == {"02.two-versions": True}


def test_hints_begin_with_what_is_live_and_end_with_the_solution(embedded: Cluster) -> None:
    bring_to(embedded, START)
    first, where, field, solved = hints("02.two-versions").texts
    assert first.startswith("There are kubechaos now, and 1 ready pods behind kubechaos-svc.")
    assert "kubectl get" in where
    assert "spec.selector.matchLabels.version" in field
    assert "page.complete(manifest" in solved
    assert hints("02.two-versions")._accordion.selected_index is None


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: check("99.nothing"), "There is no exercise '99.nothing'; there are: 00.two-pods"),
        (lambda: hints("02.nothing"), "There is no exercise '02.nothing'"),
        (lambda: explain("02.nothing"), "There is no explanation '02.nothing'"),
        (lambda: quiz("99"), "There is no page '99'; there are:"),
        (lambda: catch_me_up("02.99"), "There is no section '02.99'; there are:"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(ask: object, sentence: str) -> None:
    assert callable(ask)
    with pytest.raises(CourseError, match=sentence):
        ask()


# --- catching up


def test_catching_up_takes_away_what_a_patch_added_and_keeps_the_node_port(embedded: Cluster) -> None:
    bring_to(embedded, DUAL)
    port, path = embedded.node_port("kubechaos-svc"), embedded.api.kind("services").path("default", "kubechaos-svc")
    change = {"spec": {"sessionAffinity": "ClientIP"}, "metadata": {"labels": {"mine": "yes"}}}
    embedded.api.request("PATCH", path, None, change, "application/merge-patch+json")
    bring_to(embedded, DUAL)
    service = embedded.read("service", "kubechaos-svc")
    assert service["spec"]["sessionAffinity"] == "None"
    assert "labels" not in service["metadata"]
    assert embedded.node_port("kubechaos-svc") == port


def test_catching_up_leaves_what_is_not_the_lessons(embedded: Cluster) -> None:
    embedded.apply("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: my-notes\n")
    embedded.apply("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kubechaos-notes\n")
    bring_to(embedded, START)
    names = {each["metadata"]["name"] for each in embedded.objects("configmaps")}
    assert "my-notes" in names
    assert "kubechaos-notes" not in names
    embedded.delete("configmap", "my-notes")


def test_catching_up_takes_less_than_ten_seconds_when_pods_do_not_want_to_end(embedded: Cluster) -> None:
    stubborn = (
        shipped(START)
        .read_text()
        .replace(
            "        image: local/kubechaos:v1\n",
            "        image: local/kubechaos:v1\n"
            '        command: [python3, -c, "import signal, time; signal.signal(15, 1); time.sleep(999)"]\n',
        )
    )
    embedded.apply(stubborn)
    embedded.wait_until_ready("kubechaos")
    bring_to(embedded, DUAL)  # it waits 30 seconds for a pod that ends by itself
    assert len(embedded.objects("pods")) == 2


def test_an_application_of_the_learners_that_cannot_start_is_explained(
    embedded: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "Containerfile").write_text('FROM python:3.13-slim\nCOPY app.py .\nCMD ["python3", "app.py"]\n')
    (broken / "app.py").write_text("print('hello'\n")
    bring_to(embedded, "")
    embedded.build_image(broken, "local/kubechaos:v2")
    try:
        embedded.apply(shipped(DUAL))
        embedded.wait_until_served_by("kubechaos-svc", 1)
        check("02.two-versions")
    finally:
        embedded.build_image("custom", "local/kubechaos:v2")
    said = capsys.readouterr().out
    assert "starts and ends again" in said
    assert "SyntaxError: '(' was never closed" in said


def test_a_service_that_is_deleted_while_it_is_probed_is_a_visit_without_an_answer(embedded: Cluster) -> None:
    bring_to(embedded, DUAL)
    running = embedded.start_probe("kubechaos-svc", visitors=2, requests=0, duration=30, keep_alive=False, pause=0.005)
    eventually(lambda: len(running.visits) >= 20 or not running.is_running, "visits are made")
    assert running.is_running
    embedded.delete("service", "kubechaos-svc")
    eventually(lambda: running.visits.errors or not running.is_running, "a visit fails")
    visits = running.stop()
    assert set(visits.errors) == {"no answer"}
    with pytest.raises(CourseError, match=r"There is no Service kubechaos-svc"):
        embedded.probe("kubechaos-svc")
