"""What the learner has done, where to go on, and taking it along."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from kubechaos_helpers import CourseError
from kubechaos_helpers.course import pages, record
from kubechaos_helpers.course.exercise import all_exercises
from kubechaos_helpers.course.progress import PACKED, TakeAlong, pack, progress, unpack


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    (tmp_path / "my").mkdir()
    return tmp_path / "my"


def archive(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "/"), text)
    return content.getvalue()


def test_a_beginner_is_led_to_the_first_thing_to_do() -> None:
    found = progress()
    assert found.rows[0] == ("00 Start here", "0 of 2", "0 of 1", "0 of 1", "0 of 4")
    assert found.text.endswith("Go on with section 00.3 How does a page work?, in 00-start-here.ipynb.")
    assert '<a href="00-start-here.ipynb#00.3-How-does-a-page-work%3F">' in found._repr_html_()


def test_what_is_done_is_counted_and_a_wrong_answer_is_not() -> None:
    record.keep("predictions", "00.pods", "no pods")
    record.keep("questions", "00.q1", False)
    record.keep("questions", "00.q2", True)
    record.keep("exercises", "00.two-pods", True)
    assert progress().rows[0] == ("00 Start here", "1 of 2", "0 of 1", "1 of 1", "1 of 4")


def test_who_has_done_everything_is_told_so() -> None:
    for page in pages.all_pages():
        for each in page.predictions:
            record.keep("predictions", each.id, each.choices[0])
        for explained in page.explanations:
            record.keep("explanations", explained.id, "So.")
        for question in page.questions:
            record.keep("questions", question.id, True)
    for identity in all_exercises():
        record.keep("exercises", identity, True)
    assert progress().text.endswith("You have done everything that there is to do.")


def test_what_was_packed_is_restored_elsewhere(my: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.keep("exercises", "00.two-pods", True)
    (my / "manifests").mkdir()
    (my / "manifests" / "own.yaml").write_text("mine")
    (my / ".ipynb_checkpoints").mkdir()
    (my / ".ipynb_checkpoints" / "old").write_text("old")
    pack()
    content = pack().read_bytes()  # which does not hold the first one
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "other"))
    assert unpack(content).startswith("2 files are back in my/. ")
    assert record.kept("exercises") == {"00.two-pods": True}
    assert (tmp_path / "other" / "manifests" / "own.yaml").read_text() == "mine"


def test_a_file_that_differs_is_kept_beside_the_one_that_comes_back(my: Path) -> None:
    (my / "own.yaml").write_text("new")
    (my / "same.yaml").write_text("same")
    said = unpack(archive(**{"own.yaml": "old", "same.yaml": "same"}))
    assert "1 that differed are kept as NAME.before." in said
    assert (my / "own.yaml").read_text() == "old"
    assert (my / "own.yaml.before").read_text() == "new"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not a zip", "This archive cannot be read"),
        (archive(**{"ok.yaml": "1", "..__..__evil": "2"}), r"would write outside of my/ \(\.\./\.\./evil\)"),
        (archive(**{"__evil": "2"}), "would write outside of my/"),
    ],
)
def test_a_bad_archive_changes_nothing(my: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(CourseError, match=sentence):
        unpack(content)
    assert list(my.iterdir()) == []


def test_the_buttons_pack_and_restore_and_have_names(my: Path) -> None:
    (my / "own.yaml").write_text("mine")
    widget = TakeAlong()
    widget.button.click()
    assert f"my/{PACKED} has your files and your progress" in widget.state.value
    (my / "own.yaml").unlink()
    widget._restore({"new": ({"content": (my / PACKED).read_bytes()},)})
    assert (my / "own.yaml").read_text() == "mine"
    widget._restore({"new": ({"content": b"nothing"},)})
    assert "This archive cannot be read" in widget.state.value
    assert widget.button.tooltip
    assert widget.upload.tooltip


def test_the_record_of_another_machine_comes_back_whole(my: Path) -> None:
    unpack(archive(**{"progress.json": json.dumps({"questions": {"00.q1": True}})}))
    assert record.kept("questions") == {"00.q1": True}
