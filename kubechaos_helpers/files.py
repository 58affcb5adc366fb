"""Where the course's files are, and the learner's own copies of them in ``my/``.

Learners work on copies: notebooks without outputs, manifests and the application. Nothing there is ever overwritten.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kubechaos_helpers.errors import CourseError

COURSE_CONTEXTS = ("original", "canary")
YOUR_TURN = "# Your turn: write here, or work in a terminal."
NEVER_COPIED = ("__pycache__", ".ipynb_checkpoints")


def course_root() -> Path:
    """The folder that holds notebooks, manifests and images: never the working directory."""
    for folder in (os.environ.get("KUBECHAOS_COURSE"), Path(__file__).parents[1]):
        if folder and (Path(folder) / "manifests").is_dir():
            return Path(folder)
    raise CourseError(
        "The course's files were not found. Install the course from its own folder (pip install -r requirements.txt),"
        " or name that folder with KUBECHAOS_COURSE."
    )


def my_folder() -> Path:
    """The learner's folder: ``my/``, or what KUBECHAOS_MY names."""
    return Path(os.environ.get("KUBECHAOS_MY") or course_root() / "my")


def shipped(name: str) -> Path:
    """A file or folder of the course, such as ``manifests/02-…/dual.yaml``."""
    path = course_root() / name
    if not path.exists():
        raise CourseError(f"The course has no {name}.")
    return path


def mine(name: str, first: str = "") -> Path:
    """The learner's own copy, made from the shipped ``first`` (or the same name) when it is not there yet."""
    own, source = my_folder() / name, shipped(first or name)
    if source.is_dir():
        return _make(own, lambda copy: shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*NEVER_COPIED)))
    return _make(own, lambda copy: shutil.copyfile(source, copy))


def _make(own: Path, make: Callable[[Path], object]) -> Path:
    """A file or folder of the learner's: made whole or not at all, and only when there is none."""
    if own.exists():
        return own
    own.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=own.parent) as folder:
        make(Path(folder) / own.name)
        (Path(folder) / own.name).rename(own)
    return own


def open_copies() -> Path:
    """Make a copy without answers of every notebook that has none in ``my/``; the path of the first one."""
    notebooks = sorted(shipped("notebooks").glob("*.ipynb"))
    copies = [copy_without_answers(notebook) for notebook in notebooks]
    mine("images/custom")
    return copies[0]


def copy_without_answers(notebook: Path) -> Path:
    """The learner's copy of a notebook, without outputs and solutions. One that is there stays as it is."""

    def write(copy: Path) -> None:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        content["cells"] = list(_without_solutions(content["cells"]))
        content["metadata"].pop("widgets", None)
        copy.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    return _make(my_folder() / notebook.name, write)


def _without_solutions(cells: list[Any]) -> Iterator[Any]:
    """The cells with one to write in instead of each exercise's solution, however many cells that has."""
    before = ""
    for cell in cells:
        exercise = cell["metadata"].get("exercise", "")
        if exercise and exercise != before:
            yield {**cell, "source": [cell["metadata"].get("starter", YOUR_TURN)], "metadata": {}}
        elif not exercise:
            yield cell
        before = exercise


def build_context(context: str | Path) -> Path:
    """The folder of a build context: one of the course's by name, else a path. ``custom`` is the learner's copy."""
    if str(context) == "custom":
        return mine("images/custom")
    return shipped(f"images/{context}") if str(context) in COURSE_CONTEXTS else Path(context)
