"""What the learner has done on each page, and where to go on."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from typing import NamedTuple

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.course.exercise import all_exercises
from kubechaos_helpers.files import shipped
from kubechaos_helpers.printing import align

ALL_DONE = "You have done everything that there is to do."
COLUMNS = ("PAGE", "PREDICTIONS", "EXPLANATIONS", "EXERCISES", "QUIZ")


class Progress:
    """A row for each page; shown as a table with a link to where to go on."""

    def __init__(self) -> None:
        self._pages = pages.all_pages()
        self.rows = [_row(page) for page in self._pages]
        self.next = next((place for page in self._pages if (place := _unfinished(page))), None)

    @property
    def text(self) -> str:
        """The table and, below it, where to go on."""
        end = f"Go on with section {self.next.title}, in {self.next.notebook}." if self.next else ALL_DONE
        return f"{align([COLUMNS, *self.rows])}\n\n{end}"

    def _repr_html_(self) -> str:
        """The same with links, for the notebook's own viewer, which leads them into JupyterLab."""
        head = "".join(f'<th scope="col">{column.capitalize()}</th>' for column in COLUMNS)
        body = "".join(_html_row(page, row) for page, row in zip(self._pages, self.rows, strict=True))
        end = f"Go on with section {_link(self.next.address, self.next.title)}." if self.next else ALL_DONE
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{end}</p>"

    def __repr__(self) -> str:
        return self.text


class Place(NamedTuple):
    """A section of a page."""

    notebook: str
    title: str

    @property
    def address(self) -> str:
        """A link from another page; JupyterLab's anchor of a heading is its text with dashes."""
        return f"{self.notebook}#{urllib.parse.quote(self.title.replace(' ', '-'))}"


def progress() -> Progress:
    """What has been done so far."""
    return Progress()


def _html_row(page: pages.Page, row: tuple[str, ...]) -> str:
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{_link(page.notebook, row[0])}</th>{cells}</tr>'


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def _row(page: pages.Page) -> tuple[str, ...]:
    done = _done()
    parts = (
        [each.id for each in page.predictions],
        [each.id for each in page.explanations],
        [each for each in all_exercises() if each.startswith(page.number)],
        [each.id for each in page.questions],
    )
    counts = (f"{sum(each in done for each in part)} of {len(part)}" for part in parts)
    return (f"{page.number} {page.title}", *counts)


def _done() -> set[str]:
    """The identities of everything that is done; a question only when it was answered rightly."""
    right = (identity for identity, is_right in record.kept("questions").items() if is_right)
    return {*record.kept("predictions"), *record.kept("explanations"), *record.kept("exercises"), *right}


def _unfinished(page: pages.Page) -> Place | None:
    """The first section of a page with something left to do."""
    done, title = _done(), page.title
    for cell in json.loads(shipped(f"notebooks/{page.notebook}").read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if heading := re.match(r"## (.*)", source):
            title = heading[1]
        for verb, identity in re.findall(r'\b(predict|explain|check|quiz)\("(.*?)"', source):
            asked = [each.id for each in page.questions] if verb == "quiz" else [identity]
            if cell["cell_type"] == "code" and not done.issuperset(asked):
                return Place(page.notebook, title)
    return None
