"""Predictions: a number or an outcome that the learner commits to before measuring. Kept, and locked afterwards."""

from __future__ import annotations

import html
from typing import Any

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.widgets import mimebundle, show_state

NONE_MADE = "No prediction was made."


class Prediction:
    """A question with choices. ``value`` is what the learner committed to, or None."""

    def __init__(self, asked: pages.Question) -> None:
        import ipywidgets

        self._asked = asked
        before = record.kept("predictions").get(asked.id)
        self.value = before if before in asked.choices else None
        self._choice = _input(asked, self.value)
        self._button = ipywidgets.Button(description="Commit", tooltip="Commit to this prediction; it is then locked")
        self._state = ipywidgets.HTML()
        self._button.on_click(lambda _: self._commit_choice())
        label = ipywidgets.HTML(f"<strong>Predict:</strong> {html.escape(asked.question)}")
        self._widget = ipywidgets.VBox([label, self._choice, ipywidgets.HBox([self._button, self._state])])
        if self.value is not None:
            self._lock()

    def commit(self, value: record.Value) -> None:
        """Commit to a value in code. A prediction that is made stays as it is; CourseError for what is no choice."""
        if value not in self._asked.choices:
            raise CourseError(f"{value!r} is not among the answers. Choose {_listed(self._asked)}.")
        if self.value is not None:
            return
        self.value = value
        self._choice.value = _shown(self._asked, value)
        record.keep("predictions", self._asked.id, value)
        self._lock()

    def _commit_choice(self) -> None:
        value = _read(self._asked, self._choice.value)
        if value not in self._asked.choices:
            verb = "Write" if isinstance(self._asked.choices, range) else "Choose"
            show_state(self._state, f"{verb} {_listed(self._asked)}.")
        else:
            self.commit(value)

    def _lock(self) -> None:
        self._choice.disabled = self._button.disabled = True
        show_state(self._state, self.reading())

    @property
    def share(self) -> float | None:
        """A prediction in per cent as a share, 0 to 1; None when none was made."""
        return self.value / 100 if isinstance(self.value, int | float) else None

    def reading(self) -> str:
        """What was predicted, as a sentence for a chart."""
        return NONE_MADE if self.value is None else f"You predicted: {self.value}."

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, f"Predict: {self._asked.question}")


def predict(identity: str) -> Prediction:
    """Ask for the page's prediction of this name: one of its answers, or a whole number."""
    return Prediction(pages.prediction(identity))


def _input(asked: pages.Question, value: record.Value | None) -> Any:
    """Empty at first: what stands there before would be a hint."""
    import ipywidgets

    look = {"description": "Your prediction", "style": {"description_width": "initial"}}
    shown = _shown(asked, value)
    if isinstance(asked.choices, range):
        return ipywidgets.Text(**look, value=shown, placeholder=_listed(asked))
    return ipywidgets.RadioButtons(**look, value=shown, options=list(asked.choices), layout={"width": "max-content"})


def _shown(asked: pages.Question, value: record.Value | None) -> record.Value | None:
    """A choice as the widget shows it."""
    if isinstance(asked.choices, range):
        return "" if value is None else str(value)
    return value


def _read(asked: pages.Question, shown: Any) -> Any:
    """What the widget shows as a choice, or as nothing that could be one."""
    if not isinstance(asked.choices, range):
        return shown
    text = shown.strip().removesuffix("%").strip()
    return int(text) if text.isdecimal() else None


def _listed(asked: pages.Question) -> str:
    if isinstance(asked.choices, range):
        return f"a whole number from {asked.choices[0]} to {asked.choices[-1]}"
    return "one of: " + ", ".join(map(str, asked.choices))
