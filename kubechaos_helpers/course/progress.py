"""What the learner has done on each page, where to go on, and taking all of it along."""

from __future__ import annotations

import html
import io
import json
import os
import re
import urllib.parse
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kubechaos_helpers.course import pages, record
from kubechaos_helpers.course.exercise import all_exercises
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import my_folder, shipped
from kubechaos_helpers.printing import align
from kubechaos_helpers.widgets import mimebundle, show_state

PACKED = "kubechaos-my.zip"
LARGEST_BYTES = 50_000_000
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


# --- taking it along


def pack() -> Path:
    """Put all of the learner's own files into one archive, and say where it is."""
    target = my_folder() / PACKED
    unfinished = target.with_suffix(".new")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _own_files():
            archive.write(path, path.relative_to(my_folder()))
    unfinished.replace(target)
    return target


def _own_files() -> Iterable[Path]:
    for folder, folders, names in os.walk(my_folder()):
        folders[:] = [each for each in folders if not each.startswith(".") and each != "__pycache__"]
        yield from (Path(folder) / name for name in names if not name.startswith(("kubechaos-my.", ".")))


def unpack(content: bytes) -> str:
    """Put an archive's files back; the sentence says what became of them.

    A file that is there and differs is kept beside the old one's place as NAME.before. CourseError for what is no such
    archive, and then nothing is changed.
    """
    from pocket_cluster.paths import inside

    files = _read(content)
    kept = 0
    for name, data in files.items():
        path = inside(my_folder(), name)
        if path.is_file() and path.read_bytes() != data:
            path.replace(path.with_name(f"{path.name}.before"))
            kept += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    before = f" {kept} that differed are kept as NAME.before." if kept else ""
    return f"{len(files)} files are back in my/.{before} Reload the page in your browser to see them."


def _read(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > LARGEST_BYTES:
                raise CourseError("This archive is too large to be one of this course's. Nothing was changed.")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError) as error:
        raise CourseError(
            f"This archive cannot be read ({error}). Nothing was changed. Choose a {PACKED} that this page made."
        ) from None
    home = my_folder().resolve()
    outside = [name for name in files if not (home / name).resolve().is_relative_to(home)]
    if outside:
        raise CourseError(f"This archive would write outside of my/ ({outside[0]}). Nothing was changed.")
    return files


class TakeAlong:
    """A button that packs the learner's files, a link to what it packed, and an upload that puts them back."""

    def __init__(self) -> None:
        import ipywidgets

        self.button = ipywidgets.Button(description="Pack", tooltip="Put all of your files into one archive")
        self.button.on_click(lambda _: self._pack())
        self.upload = ipywidgets.FileUpload(
            accept=".zip", description="Restore", tooltip="Put the files of an archive back", multiple=False
        )
        self.upload.observe(self._restore, "value")
        self.state = ipywidgets.HTML()
        self._widget = ipywidgets.VBox([ipywidgets.HBox([self.button, self.upload]), self.state])

    def _pack(self) -> None:
        size = pack().stat().st_size
        show_state(
            self.state,
            f"my/{PACKED} has your files and your progress ({size // 1000 + 1} kB). In the file browser on the left,"
            " choose Download from its context menu.",
        )

    def _restore(self, change: Any) -> None:
        for file in change["new"]:
            try:
                show_state(self.state, unpack(bytes(file["content"])))
            except CourseError as error:
                show_state(self.state, str(error))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, "A button that packs your files, and one that restores them.")


def take_along() -> TakeAlong:
    """Pack your files and your progress, or restore them: sessions on Binder vanish."""
    return TakeAlong()
