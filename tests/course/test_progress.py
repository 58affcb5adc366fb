"""What the learner has done, and where to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.course.exercise import all_exercises
from kubechaos_helpers.course.progress import progress


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    (tmp_path / "my").mkdir()
    return tmp_path / "my"


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
