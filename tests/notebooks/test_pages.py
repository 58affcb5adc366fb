"""Notebooks, the pages' YAML files and the exercises agree, and each page has what a page needs."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from kubechaos_helpers.course import exercise
from kubechaos_helpers.course.pages import Page, all_pages
from kubechaos_helpers.files import shipped

ROOT = Path(__file__).parents[2]
PAGES = all_pages()
by_number = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.number)


def text_of(page: Page, kind: str) -> str:
    cells = nbformat.read(ROOT / "notebooks" / page.notebook, 4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == kind)


def test_every_notebook_is_a_page() -> None:
    assert [page.notebook for page in PAGES] == [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert all(page.notebook.startswith(page.number) for page in PAGES)


@by_number
def test_a_page_says_its_objectives_prerequisites_and_minutes(page: Page) -> None:
    first = nbformat.read(ROOT / "notebooks" / page.notebook, 4).cells[0].source
    assert first.startswith(f"# {page.title}\n")
    for words in ("Afterwards you can", "You need", f"**Time:** {page.minutes} minutes"):
        assert words in first


@by_number
def test_headings_go_down_one_level_at_a_time(page: Page) -> None:
    levels = [len(heading) for heading in re.findall(r"(?m)^(#+) ", text_of(page, "markdown"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@by_number
def test_sections_are_those_of_the_page_in_order_each_with_its_minutes_and_how_to_catch_up(page: Page) -> None:
    found = re.findall(r"(?m)^## (\d\d\.\d+) (.*)\n\n(.*)$", text_of(page, "markdown"))
    path = {True: "Core path", False: "Beyond the core path"}
    assert found == [
        (each.id, each.title, f'*{path[each.core]}, {each.minutes} minutes. Lost? Run* `catch_me_up("{each.id}")`*.*')
        for each in page.sections
    ]
    assert all(not each.begin or shipped(each.begin) for each in page.sections)


def test_page_00_leads_to_the_others_and_says_their_minutes() -> None:
    rows = re.findall(r"\| \[(\d\d) (.*?)\]\((.*?)\) \| (\d+) \|", text_of(PAGES[0], "markdown"))
    assert rows == [(page.number, page.title, page.notebook, str(page.minutes)) for page in PAGES[1:]]


def test_the_core_path_takes_an_hour_and_a_half() -> None:
    minutes = sum(each.minutes for page in PAGES for each in page.sections if each.core)
    assert 80 <= minutes <= 95


@by_number
def test_everything_that_a_page_asks_is_asked_in_its_notebook(page: Page) -> None:
    code = text_of(page, "code")
    assert sorted(re.findall(r'predict\("(.*?)"', code)) == sorted(each.id for each in page.predictions)
    assert sorted(re.findall(r'explain\("(.*?)"', code)) == sorted(each.id for each in page.explanations)
    assert re.findall(r'quiz\("(.*?)"', code) == [page.number]
    own = [each for each in exercise.all_exercises() if each.startswith(page.number)]
    assert sorted(re.findall(r'check\("(.*?)"', code)) == sorted(re.findall(r'hints\("(.*?)"', code)) == sorted(own)


@by_number
def test_a_page_asks_enough(page: Page) -> None:
    exercises = [each for each in exercise.all_exercises() if each.startswith(page.number)]
    assert len(page.predictions) >= 2
    assert len(page.questions) >= 4
    assert (len(exercises) + 1) * 15 >= page.minutes


@by_number
def test_every_question_has_one_right_answer_and_every_wrong_one_names_what_is_behind_it(page: Page) -> None:
    sections = {each.id for every in PAGES for each in every.sections}
    for question in page.questions:
        assert len(question.answers) >= 3
        assert [answer.right for answer in question.answers].count(True) == 1
        assert all(answer.because.startswith("Behind this is ") for answer in question.answers if not answer.right)
        assert all(answer.see in sections for answer in question.answers if not answer.right)


@pytest.mark.parametrize("identity", exercise.all_exercises())
def test_an_exercise_is_solved_in_the_notebook_and_not_in_the_learners_copy(identity: str) -> None:
    page = next(each for each in PAGES if each.number == identity.partition(".")[0])
    cells = json.loads((ROOT / "notebooks" / page.notebook).read_text())["cells"]
    places = [place for place, cell in enumerate(cells) if cell["metadata"].get("exercise") == identity]
    assert places, "there is a solution"
    assert places == list(range(places[0], places[-1] + 1)), "in one place"
    after = "".join("".join(cell["source"]) for cell in cells[places[-1] + 1 :])
    assert f'check("{identity}"' in after, "which the check follows"
    assert exercise.solution(identity)


@by_number
def test_a_measured_number_in_the_prose_is_what_its_cell_shows(page: Page) -> None:
    """``<!-- measured: WORDS -->`` stands behind the sentence; WORDS are a part of the cell that measures it."""
    cells = json.loads((ROOT / "notebooks" / page.notebook).read_text())["cells"]
    for cell in cells:
        source = "".join(cell["source"])
        for claim, words in re.findall(r"([^.:!?]*[.:!?]?) <!-- measured: (.*?) -->", source):
            measuring = [each for each in cells if each["cell_type"] == "code" and words in "".join(each["source"])]
            assert len(measuring) == 1, f"one cell with {words!r}"
            shown = re.findall(r"\d+(?:\.\d+)?", json.dumps(measuring[0]["outputs"]).replace(",", ""))
            for number in re.findall(r"\b\d[\d,]*(?:\.\d+)?", claim.replace("once in a million", "")):
                assert number.replace(",", "") in shown, f"{number} is in {claim!r} and not in what {words!r} shows"
