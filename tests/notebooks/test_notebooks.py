"""Every notebook runs from top to bottom, more than once, and shows what it shows in the course."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 1300
# Cells that nbval does not compare must say why, in a tag that begins so.
NOT_COMPARED = ("nbval-skip", "nbval-ignore-output")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
by_name = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook: Path) -> list[Any]:
    return [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code" and cell.source.strip()]


@by_name
def test_every_code_cell_was_run_so_that_its_outputs_are_compared(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert [cell.source for cell in cells if cell.execution_count is None] == []
    skipped = [cell for cell in cells if set(cell.metadata.get("tags", [])) & set(NOT_COMPARED)]
    assert all(any(tag.startswith("because-") for tag in cell.metadata.tags) for cell in skipped)
    assert len(skipped) <= len(cells) / 5


@by_name
def test_cells_are_short(notebook: Path) -> None:
    lengths = sorted(cell.source.count("\n") + 1 for cell in code_cells(notebook))
    assert lengths[len(lengths) // 2] <= 5
    assert lengths[-1] <= 12


@pytest.mark.timeout(SECONDS)
@by_name
def test_it_shows_what_it_shows_also_after_another(notebook: Path, nbval: Run, tmp_path: Path) -> None:
    done = nbval(notebook, tmp_path / "my")
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{len(code_cells(notebook))} passed" in done.stdout
