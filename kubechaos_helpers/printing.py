"""Printing as kubectl prints: tables with its column widths, and the command that a step stands for."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

Object = dict[str, Any]
# cli-runtime, pkg/printers/tabwriter.go: columns are at least 6 wide and 3 apart.
NARROWEST, GAP = 6, 3
# Letters in a line of text: JupyterLab breaks longer ones within words where its window ends.
LINE = 110


def command(*words: str) -> None:
    """Show the kubectl command that does the same."""
    print("$ " + " ".join(shlex.quote(word) if not _is_plain(word) else word for word in words if word))


def _is_plain(word: str) -> bool:
    return all(letter.isalnum() or letter in "-_=./:,@" for letter in word)


def table(answer: Object, wide: bool = False, label_columns: Sequence[str] = (), prefix: str = "") -> str:
    """A Table of the API server as text. ``label_columns`` are shown as ``kubectl get -L`` does."""
    columns = answer["columnDefinitions"]
    shown = [index for index, column in enumerate(columns) if wide or not column["priority"]]
    head = [columns[index]["name"].upper() for index in shown]
    head += [label.rpartition("/")[2].upper() for label in label_columns]
    rows = [head]
    for row in answer.get("rows") or []:
        labels = row["object"]["metadata"].get("labels") or {}
        cells = [str(row["cells"][index]) for index in shown]
        cells[0] = prefix + cells[0]
        rows.append(cells + [labels.get(label, "<none>") for label in label_columns])
    return align(rows)


def align(rows: Iterable[Sequence[str]]) -> str:
    """Rows of texts as columns."""
    lines = list(rows)
    widths = [max(NARROWEST, *(len(row[column]) + GAP for row in lines)) for column in range(len(lines[0]))]
    return "\n".join(
        "".join(text.ljust(width) for text, width in zip(row[:-1], widths, strict=False)) + row[-1] for row in lines
    )


def fold(text: str) -> str:
    """The text in lines that a notebook does not break; names and commands stay whole."""
    return "\n".join(
        textwrap.fill(line, LINE, break_long_words=False, break_on_hyphens=False) for line in text.splitlines()
    )
