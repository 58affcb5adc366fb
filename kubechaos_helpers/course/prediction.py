"""Predictions: a number or an outcome that the learner commits to before measuring. Kept, and locked afterwards."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubechaos_helpers.course.files import my_folder
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.widgets import mimebundle, show_state

Value = str | int | float
NONE_MADE = "No prediction was made."


class Prediction:
    """A question with choices. ``value`` is what the learner committed to, or None."""

    def __init__(self, identity: str, question: str, choices: Sequence[Value]) -> None:
        import ipywidgets

        self._identity, self._question, self._choices = identity, question, choices
        kept = _load().get(identity)
        self.value: Value | None = kept if kept in choices else None
        self._choice = _input(choices, self.value)
        self._button = ipywidgets.Button(description="Commit", tooltip="Commit to this prediction; it is then locked")
        self._state = ipywidgets.HTML()
        self._button.on_click(lambda _: self._commit_choice())
        label = ipywidgets.HTML(f"<strong>Predict:</strong> {html.escape(question)}")
        self._widget = ipywidgets.VBox([label, self._choice, ipywidgets.HBox([self._button, self._state])])
        if self.value is not None:
            self._lock()

    def commit(self, value: Value) -> None:
        """Commit to a value in code. A prediction that is made stays as it is; CourseError for what is no choice."""
        if value not in self._choices:
            raise CourseError(f"{value!r} is not among the answers. Choose {_listed(self._choices)}.")
        if self.value is not None:
            return
        self._choice.value = self.value = value
        _store(self._identity, value)
        self._lock()

    def _commit_choice(self) -> None:
        if self._choice.value is None:
            show_state(self._state, "Choose an answer first.")
        else:
            self.commit(self._choice.value)

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
        return mimebundle(self._widget, f"Predict: {self._question}")


def predict(identity: str, question: str, choices: Sequence[Value]) -> Prediction:
    """Ask for a prediction: one of ``choices``, or a whole number when that is a ``range``.

    ``identity`` names it in the learner's progress, where it stays.
    """
    return Prediction(identity, question, choices)


def _input(choices: Sequence[Value], value: Value | None) -> Any:
    import ipywidgets

    style, layout = {"description_width": "initial"}, {"width": "max-content"}
    if isinstance(choices, range):
        field = {"min": choices[0], "max": choices[-1], "step": choices.step, "value": value or choices[0]}
        return ipywidgets.BoundedIntText(**field, description="Your prediction", style=style)
    options = [(str(choice), choice) for choice in choices]
    return ipywidgets.RadioButtons(
        options=options, value=value, description="Your prediction", style=style, layout=layout
    )


def _listed(choices: Sequence[Value]) -> str:
    if isinstance(choices, range):
        return f"a whole number from {choices[0]} to {choices[-1]}"
    return "one of: " + ", ".join(map(str, choices))


# --- the learner's progress


def _file() -> Path:
    return my_folder() / "progress.json"


def _load() -> dict[str, Value]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))["predictions"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _store(identity: str, value: Value) -> None:
    """Write whole or not at all. A file that is not ours to read is kept under another name."""
    file, known = _file(), _load()
    file.parent.mkdir(parents=True, exist_ok=True)
    if not known and file.exists():
        file.replace(file.with_suffix(".unreadable"))
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps({"predictions": {**known, identity: value}}, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(file)
