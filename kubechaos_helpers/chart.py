"""Charts with words: every picture comes with a text table and a sentence that says what it shows.

A chart is an HTML widget with an ``<img alt=…>``; its other forms are a PNG and the text. It is drawn on a
``Figure`` of its own (pyplot is not safe in threads), opaque white so that it is legible in dark mode too.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from kubechaos_helpers.printing import align
from kubechaos_helpers.style import looks
from kubechaos_helpers.visits import Split, Visits, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kubechaos_helpers.course.prediction import Prediction

# Inches, and dots an inch: about as wide as a notebook's text, in letters of the page's size.
WIDTH, ROW_HEIGHT, DPI = 7.5, 0.5, 110
MOST_IN_STRIP = 100
LINES = {"Predicted": "--", "Expected": ":"}


class Chart:
    """A picture, its table and its reading; notebooks show all three."""

    def __init__(self, figure: Figure, reading: str, table: str = "") -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
        self.png, self.reading, self.table = buffer.getvalue(), reading, table

    @property
    def text(self) -> str:
        return f"{self.table}\n\n{self.reading}" if self.table else self.reading

    @property
    def html(self) -> str:
        """The picture with its alternative text, the table and the reading below."""
        data = base64.b64encode(self.png).decode()
        table = f'<pre style="color: var(--jp-ui-font-color1)">{html.escape(self.table)}</pre>' if self.table else ""
        return (
            f'<figure style="margin: 0"><img alt="{html.escape(self.reading)}" style="max-width: 100%"'
            f' src="data:image/png;base64,{data}">{table}'
            f'<figcaption style="color: var(--jp-ui-font-color1)">{html.escape(self.reading)}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """A widget where widgets are shown, a PNG elsewhere, and always the text."""
        import ipywidgets

        widget = ipywidgets.HTML(self.html)
        view: dict[str, Any] = widget._repr_mimebundle_()
        return {**view, "image/png": base64.b64encode(self.png).decode(), "text/plain": self.text}


def show_split(
    split: Split, prediction: Prediction | None = None, name: str = "", expected: float | None = None
) -> Chart:
    """The shares as bars with their intervals; for ``name`` the predicted and the expected share (0 to 1) as lines."""
    predicted = prediction.share if prediction else None
    marks = {word: mark for word, mark in (("Predicted", predicted), ("Expected", expected)) if mark is not None}
    said = f" {prediction.reading()}" if prediction and predicted is None else ""
    figure, axes = new_figure(max(1, len(split.shares)))
    draw_split(axes, split)
    for word, mark in marks.items():
        axes.axvline(100 * mark, color="black", linestyle=LINES[word], linewidth=1.5, label=word.lower())
    if marks:
        figure.legend(loc="outside lower right", ncols=2, frameon=False)
    axes.set_title(f"Share of {split.total} {split.of} by {split.what}", loc="left")
    return Chart(figure, split.reading(marks, name) + said, split.table())


def draw_split(axes: Axes, split: Split) -> None:
    """Bars from the top in the order of the names; whiskers are 95 % intervals."""
    names = list(split.shares)
    look = looks(names, split.visits.version_of)
    for place, name in enumerate(names):
        interval = split.shares[name].interval
        share = 100 * interval.share
        bounds = [[share - 100 * interval.low], [100 * interval.high - share]]
        axes.barh(place, share, color=look[name].colour, hatch=look[name].hatch, edgecolor="black", height=0.7)
        # A wide white line below the whisker: it stays legible on a pattern.
        axes.errorbar(share, place, xerr=bounds, color="white", elinewidth=5)
        axes.errorbar(share, place, xerr=bounds, color="black", elinewidth=2, capsize=6, capthick=2)
        axes.text(101, place, percent(interval.share), va="center")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("per cent")
    open_frame(axes)


def show_sequence(visits: Visits, what: str = "pod", prediction: Prediction | None = None) -> Chart:
    """Who answered, one box a visit from left to right, so that runs can be seen."""
    from matplotlib.ticker import MaxNLocator

    sequence = visits.sequence(what)
    names = sorted(set(sequence))
    shown = sequence[:MOST_IN_STRIP]
    figure, axes = new_figure(max(1, len(names)))
    look = looks(names, visits.version_of)
    for place, name in enumerate(names):
        boxes = [(index + 0.5, 1) for index, answered in enumerate(shown) if answered == name]
        axes.broken_barh(
            boxes,
            (place - 0.4, 0.8),
            facecolor=look[name].colour,
            hatch=look[name].hatch,
            edgecolor="black",
            linewidth=0.5,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0.5, max(1, len(shown)) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("visit")
    first = f"The first {len(shown)} of {len(sequence)}" if len(shown) < len(sequence) else f"All {len(sequence)}"
    axes.set_title(f"{first} visits, one after the other", loc="left")
    reading = sequence_reading(visits, what)
    return Chart(figure, f"{reading} {prediction.reading()}" if prediction else reading, sequence_table(sequence, what))


def sequence_table(sequence: Sequence[str], what: str) -> str:
    """How often each name answered, and how often at most without another one between; ``""`` without visits."""
    runs = [(name, len(list(group))) for name, group in groupby(sequence)]
    rows = [(what.upper(), "VISITS", "LONGEST RUN")]
    for name in sorted(set(sequence)):
        lengths = [length for each, length in runs if each == name]
        rows.append((name, str(sum(lengths)), str(max(lengths))))
    return align(rows) if sequence else ""


def sequence_reading(visits: Visits, what: str = "pod") -> str:
    """The sequence in a sentence: who answered, and how long runs were."""
    sequence = visits.sequence(what)
    if not sequence:
        return visits.reading()
    changes = sum(a != b for a, b in pairwise(sequence))
    names = sorted(set(sequence))
    over = f"over {visits.connections} {'connection' if visits.connections == 1 else 'connections'}"
    if len(names) == 1:
        return f"{names[0]} answered all {len(sequence)} visits, {over}."
    return f"{len(names)} {what}s answered {len(sequence)} visits {over}; {changes} times another one than before."


def new_figure(rows: int) -> tuple[Figure, Axes]:
    """A figure as wide as a notebook's text, and so many rows high."""
    figure = blank_figure(1.5 + ROW_HEIGHT * rows)
    return figure, figure.subplots()


def blank_figure(inches: float) -> Figure:
    """A figure as wide as a notebook's text, and so many inches high, for axes of one's own."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, inches), layout="constrained")


def open_frame(axes: Axes) -> None:
    """Leave away the lines above and to the right of what is drawn."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
