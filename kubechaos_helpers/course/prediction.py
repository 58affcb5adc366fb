"""Predictions: a number or an outcome that the learner commits to before measuring. Kept, and locked afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kubechaos_helpers.course.files import my_folder
from kubechaos_helpers.widgets import mimebundle

Value = str | int | float
NONE_MADE = "No prediction was made."


class Prediction:
    """A question with choices. ``value`` is what the learner committed to, or None."""

    def __init__(self, identity: str, question: str, choices: Sequence[Value]) -> None:
        import ipywidgets

        self._identity, self._question = identity, question
        kept = _load().get(identity)
        self.value: Value | None = kept if kept in choices else None
        self._choice = ipywidgets.RadioButtons(
            options=list(choices), value=self.value, description="", layout={"width": "max-content"}
        )
        self._button = ipywidgets.Button(description="Commit", tooltip="Commit to this prediction; it is then locked")
        self._state = ipywidgets.HTML()
        self._button.on_click(lambda _: self.commit())
        label = ipywidgets.HTML(f"<strong>Predict:</strong> {question}")
        self._widget = ipywidgets.VBox([label, self._choice, ipywidgets.HBox([self._button, self._state])])
        if self.value is not None:
            self._lock()

    def commit(self, value: Value | None = None) -> None:
        """Commit to what is chosen, or to ``value``. A prediction that is made cannot be changed."""
        chosen = self._choice.value if value is None else value
        if self.value is not None:
            return
        if chosen is None:
            self._state.value = "Choose an answer first."
            return
        self.value = chosen
        self._choice.value = chosen
        _store(self._identity, chosen)
        self._lock()

    def _lock(self) -> None:
        self._choice.disabled = self._button.disabled = True
        self._state.value = f"You predicted: {self.value}."

    def reading(self) -> str:
        """What was predicted, as a sentence for a chart."""
        return NONE_MADE if self.value is None else f"You predicted: {self.value}."

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, f"Predict: {self._question}")


def predict(identity: str, question: str, choices: Sequence[Value]) -> Prediction:
    """Ask for a prediction. ``identity`` names it in the learner's progress."""
    return Prediction(identity, question, choices)


def _load() -> dict[str, Value]:
    try:
        found: dict[str, Value] = json.loads((my_folder() / "progress.json").read_text())["predictions"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _store(identity: str, value: Value) -> None:
    """Write whole or not at all."""
    folder = my_folder()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "progress.json.new"
    unfinished.write_text(json.dumps({"predictions": {**_load(), identity: value}}, indent=1) + "\n")
    unfinished.replace(folder / "progress.json")
