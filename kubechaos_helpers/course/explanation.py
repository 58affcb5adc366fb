"""A question that learners answer in their own words; the model answer opens once theirs is kept."""

from __future__ import annotations

import html
from typing import Any

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.widgets import TEXT_STYLE, mimebundle, show_state


class Explained:
    """A text field, a button that keeps what is in it, and the model answer below."""

    def __init__(self, asked: pages.Explanation) -> None:
        import ipywidgets

        self._asked = asked
        before = record.kept("explanations").get(asked.id)
        label = ipywidgets.HTML(f"<strong>Explain:</strong> {html.escape(asked.question)}")
        self.field = ipywidgets.Textarea(
            value=str(before or ""),
            description="Your explanation",
            placeholder="One or two sentences",
            style={"description_width": "initial"},
            layout={"width": "90%", "height": "5em"},
        )
        self.button = ipywidgets.Button(description="Keep", tooltip="Keep your explanation and open the model answer")
        self.button.on_click(lambda _: self.keep())
        self.state, self.answer = ipywidgets.HTML(), ipywidgets.HTML()
        self._widget = ipywidgets.VBox([label, self.field, ipywidgets.HBox([self.button, self.state]), self.answer])
        if before:
            self._open()

    def keep(self) -> None:
        """Keep the learner's explanation and open the model answer."""
        own = self.field.value.strip()
        if not own:
            show_state(self.state, "Write a sentence first: the model answer opens after it.")
            return
        record.keep("explanations", self._asked.id, own)
        self._open()

    def _open(self) -> None:
        show_state(self.state, "Kept. You may change it and keep it again.")
        text = html.escape(self._asked.answer.strip())
        self.answer.value = f'<p style="{TEXT_STYLE}"><strong>A model answer:</strong> {text}</p>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, f"Explain: {self._asked.question}")


def explain(identity: str) -> Explained:
    """Ask the page's question of this name."""
    return Explained(pages.explanation(identity))
