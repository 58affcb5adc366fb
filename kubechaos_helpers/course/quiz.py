"""A page's questions. A wrong answer names the misconception behind it and the section that refutes it."""

from __future__ import annotations

import html
from typing import Any

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.widgets import mimebundle, show_state


class Quiz:
    """All questions of a page, each with a button that says whether the chosen answer is right."""

    def __init__(self, page: pages.Page) -> None:
        import ipywidgets

        self.questions = [_AskedQuestion(number, each) for number, each in enumerate(page.questions, 1)]
        self._widget = ipywidgets.VBox([each.widget for each in self.questions])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, "\n".join(each.text for each in self.questions))


class _AskedQuestion:
    def __init__(self, number: int, question: pages.QuizQuestion) -> None:
        import ipywidgets

        self._question = question
        self.text = f"Question {number}: {question.question}"
        label = ipywidgets.HTML(f"<strong>{html.escape(self.text)}</strong>")
        options = [(answer.text, place) for place, answer in enumerate(question.answers)]
        self.choice = ipywidgets.RadioButtons(
            options=options,
            value=None,
            description=f"Your answer to question {number}",
            style={"description_width": "initial"},
            layout={"width": "max-content", "max_width": "100%"},
        )
        self.button = ipywidgets.Button(
            description=f"Check answer {number}", tooltip="Say whether it is right, and why"
        )
        self.state = ipywidgets.HTML()
        self.button.on_click(lambda _: self.check())
        self.widget = ipywidgets.VBox([label, self.choice, self.button, self.state])
        if record.kept("questions").get(question.id) is True:
            show_state(self.state, "You have answered this rightly before.")

    def check(self) -> None:
        """Say whether the chosen answer is right. A right answer stays right in the learner's progress."""
        if self.choice.value is None:
            show_state(self.state, "Nothing is chosen yet. Choose an answer, then check it.")
            return
        answer = self._question.answers[self.choice.value]
        if answer.right or self._question.id not in record.kept("questions"):
            record.keep("questions", self._question.id, answer.right)
        show_state(self.state, verdict(answer))


def verdict(answer: pages.Answer) -> str:
    """Right or not, why, and where to see it."""
    where = ""
    if answer.see:
        there = pages.section(answer.see)
        where = f" See section {there.id} ({there.title})."
    return f"{'Right' if answer.right else 'Not so'}. {answer.because}{where}"


def quiz(page: str) -> Quiz:
    """The questions of a page, such as ``"03"``."""
    return Quiz(pages.page(page))
