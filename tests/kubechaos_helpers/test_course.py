"""Predictions, the learner's own files, and where a page can be opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubechaos_helpers import CourseError
from kubechaos_helpers.address import browser_url
from kubechaos_helpers.course import page
from kubechaos_helpers.course.pages import Question
from kubechaos_helpers.course.prediction import Prediction
from kubechaos_helpers.files import YOUR_TURN, copy_without_answers, course_root, mine, open_copies, shipped

LESSON = "manifests/02-two-deployments-one-service"
CHOICES = ["one", "two"]


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    return tmp_path / "my"


# --- predictions


def ask(choices: Sequence[str | int], question: str = "How many?") -> Prediction:
    return Prediction(Question("test", question, choices))


def test_a_prediction_is_made_once_and_kept(my: Path) -> None:
    question = ask(CHOICES)
    assert question.value is None
    assert question.reading() == "No prediction was made."
    question.commit("two")
    question.commit("one")
    assert question.value == "two"
    assert ask(CHOICES).reading() == "You predicted: two."
    assert json.loads((my / "progress.json").read_text()) == {"predictions": {"test": "two"}}


def test_the_button_commits_what_is_chosen_and_locks_it() -> None:
    question = ask(CHOICES)
    question._button.click()
    assert "Choose one of: one, two." in question._state.value
    question._choice.value = "one"
    question._button.click()
    assert question.value == "one"
    assert question._choice.disabled
    assert question._button.disabled


def test_a_number_can_be_predicted() -> None:
    question = ask(range(1, 7))
    for words in ("", "three", "7", "-1", "²"):
        question._choice.value = words
        question._button.click()
        assert "Write a whole number from 1 to 6." in question._state.value
    question._choice.value = " 3 %"
    question._button.click()
    again = ask(range(1, 7))
    assert (again.value, again._choice.value) == (3, "3")


def test_what_is_no_choice_is_refused_with_the_choices() -> None:
    with pytest.raises(CourseError, match=r"'three' is not among the answers. Choose one of: one, two."):
        ask(CHOICES).commit("three")
    with pytest.raises(CourseError, match=r"9 is not among the answers. Choose a whole number from 1 to 6."):
        ask(range(1, 7)).commit(9)


def test_a_progress_file_that_cannot_be_read_is_kept_under_another_name(my: Path) -> None:
    my.mkdir()
    (my / "progress.json").write_text("{half")
    ask(CHOICES).commit("one")
    assert (my / "progress.unreadable").read_text() == "{half"
    assert ask(CHOICES).value == "one"


def test_every_control_of_a_prediction_has_a_name() -> None:
    for choices in (CHOICES, range(3)):
        question = ask(choices, "Is 1 < 2?")
        assert question._choice.description == "Your prediction"
        assert question._button.description == "Commit"
        assert "Is 1 &lt; 2?" in question._widget.children[0].value
        assert question._repr_mimebundle_()["text/plain"] == "Predict: Is 1 < 2?"


# --- files


def test_the_learners_copy_is_made_once_and_never_overwritten(my: Path) -> None:
    own = mine(f"{LESSON}/kubechaos.yaml", first=f"{LESSON}/start.yaml")
    assert own == my / LESSON / "kubechaos.yaml"
    assert own.read_text() == shipped(f"{LESSON}/start.yaml").read_text()
    own.write_text("mine")
    assert mine(f"{LESSON}/kubechaos.yaml", first=f"{LESSON}/start.yaml").read_text() == "mine"


def test_an_application_is_copied_as_a_folder_without_leftovers(my: Path) -> None:
    own = mine("images/custom")
    assert (own / "Containerfile").is_file()
    assert not list(own.rglob("__pycache__"))
    assert [path.name for path in own.parent.iterdir()] == ["custom"]


def test_a_copy_of_a_notebook_has_no_outputs(my: Path, tmp_path: Path) -> None:
    cell = {"cell_type": "code", "execution_count": 3, "outputs": [{}], "source": ["1"], "metadata": {}}
    text = {"cell_type": "markdown", "source": ["ü"], "metadata": {}}
    notebook = tmp_path / "01.ipynb"
    notebook.write_text(json.dumps({"cells": [cell, text], "metadata": {"widgets": {}}}))
    copy = json.loads(copy_without_answers(notebook).read_text())
    assert copy["cells"] == [{**cell, "execution_count": None, "outputs": []}, text]
    assert copy["metadata"] == {}


def test_a_copy_of_a_notebook_has_a_cell_to_write_in_instead_of_each_solution(my: Path, tmp_path: Path) -> None:
    def cell(source: str, **metadata: str) -> dict[str, object]:
        return {"cell_type": "code", "execution_count": 1, "outputs": [], "source": [source], "metadata": metadata}

    cells = [
        cell("look"),
        cell("a", exercise="01.x"),
        cell("b", exercise="01.x"),
        cell("check"),
        cell("c", exercise="y"),
    ]
    cells[-1]["metadata"] = {"exercise": "01.y", "starter": "begin with this"}
    (tmp_path / "01.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    copy = json.loads(copy_without_answers(tmp_path / "01.ipynb").read_text())
    assert [each["source"] for each in copy["cells"]] == [["look"], [YOUR_TURN], ["check"], ["begin with this"]]


def test_opening_the_course_gives_the_copy_of_its_first_notebook(my: Path) -> None:
    first = open_copies()
    assert first.parent == my
    first.write_text("edited")
    assert open_copies().read_text() == "edited"


def test_files_are_found_from_the_courses_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert (course_root() / "notebooks").is_dir()
    with pytest.raises(CourseError, match=r"The course has no nosuch.yaml"):
        shipped("nosuch.yaml")


# --- pages


def test_the_shipped_notebook_points_to_the_learners_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], my: Path
) -> None:
    name = "02-two-deployments-one-service.ipynb"
    monkeypatch.chdir(shipped("notebooks"))
    page.start("02")
    assert f"my/{name}" in capsys.readouterr().out
    monkeypatch.chdir(my)
    page.start("02")
    assert "This is your own copy" in capsys.readouterr().out


def test_a_manifest_is_compared_field_by_field(capsys: pytest.CaptureFixture[str], my: Path) -> None:
    own = mine(f"{LESSON}/kubechaos.yaml", first=f"{LESSON}/dual.yaml")
    own.write_text(own.read_text().replace("        version: custom", "        version: mine", 1))
    page.compare(own, f"{LESSON}/dual.yaml")
    assert "version is 'mine'; it should be 'custom'." in capsys.readouterr().out
    page.complete(own, f"{LESSON}/dual.yaml")
    page.compare(own, f"{LESSON}/dual.yaml")
    assert "Your manifest describes exactly what the lesson needs." in capsys.readouterr().out
    assert "version: mine" in own.with_name("kubechaos.yaml.before").read_text()


# --- addresses


def test_behind_a_notebook_proxy_the_link_leads_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    assert browser_url("http://127.0.0.1:30080") == "http://127.0.0.1:30080"
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert browser_url("http://127.0.0.1:30080") == "/user/ada/proxy/30080/"
