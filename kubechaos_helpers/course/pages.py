"""The pages' elements: sections, predictions, questions and explanations, as ``pages/NN.yaml`` has them.

The identity of each begins with its page's number: ``03.order`` is on page 03.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from kubechaos_helpers.errors import CourseError


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. ``begin`` is the manifest whose objects it starts with, ``""`` for none."""

    id: str
    title: str
    minutes: int
    begin: str = ""
    core: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A prediction's question; ``choices`` are outcomes, or a range of whole numbers."""

    id: str
    question: str
    choices: Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a quiz: ``because`` it is right, or the misconception behind it; ``see`` is a section."""

    text: str
    because: str
    right: bool = False
    see: str = ""


@dataclass(frozen=True, slots=True)
class QuizQuestion:
    """A question with answers, one of which is right."""

    id: str
    question: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A question that is answered in the learner's own words, and a model answer."""

    id: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Page:
    """A notebook of the course and its elements."""

    number: str
    title: str
    notebook: str
    sections: tuple[Section, ...]
    predictions: tuple[Question, ...]
    questions: tuple[QuizQuestion, ...]
    explanations: tuple[Explanation, ...]

    @property
    def minutes(self) -> int:
        """What its sections take together."""
        return sum(each.minutes for each in self.sections)


Element = TypeVar("Element", Section, Question, Explanation)


@cache
def all_pages() -> tuple[Page, ...]:
    """Every page, in the order of their numbers."""
    folder = files("kubechaos_helpers.course") / "pages"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(_page(each.name.removesuffix(".yaml"), each.read_text(encoding="utf-8")) for each in found)


def section(identity: str) -> Section:
    """CourseError for one that does not exist."""
    return _find(identity, "section", (each for page in all_pages() for each in page.sections))


def prediction(identity: str) -> Question:
    """CourseError for one that does not exist."""
    return _find(identity, "prediction", (each for page in all_pages() for each in page.predictions))


def explanation(identity: str) -> Explanation:
    """CourseError for one that does not exist."""
    return _find(identity, "explanation", (each for page in all_pages() for each in page.explanations))


def page(number: str) -> Page:
    """CourseError for one that does not exist."""
    found = next((each for each in all_pages() if each.number == number), None)
    if found is None:
        raise CourseError(f"There is no page {number!r}; there are: {', '.join(each.number for each in all_pages())}.")
    return found


def _find(identity: str, what: str, among: Iterator[Element]) -> Element:
    known = {each.id: each for each in among}
    if identity not in known:
        raise CourseError(f"There is no {what} {identity!r}; there are: {', '.join(known)}.")
    return known[identity]


def _page(number: str, text: str) -> Page:
    import yaml

    content = yaml.safe_load(text)
    return Page(
        number,
        content["title"],
        content["notebook"],
        tuple(Section(**each) for each in content.get("sections", ())),
        tuple(Question(**{**each, "choices": _choices(each["choices"])}) for each in content.get("predictions", ())),
        tuple(_quiz_question(each) for each in content.get("questions", ())),
        tuple(Explanation(**each) for each in content.get("explanations", ())),
    )


def _choices(given: Any) -> Sequence[str | int]:
    return range(given["from"], given["to"] + 1) if isinstance(given, dict) else [*map(str, given)]


def _quiz_question(given: Any) -> QuizQuestion:
    return QuizQuestion(given["id"], given["question"], tuple(Answer(**each) for each in given["answers"]))
