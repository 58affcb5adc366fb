"""Every section runs alone, on a cluster that somebody left in a mess: the last one first."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 1300
# What the learner before may have left, for kubectl to make.
MESS = f"import runpy; runpy.run_path({str(ROOT / 'tests' / 'notebooks' / 'mess.py')!r})['make_a_mess'](cluster)"
by_name = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.timeout(SECONDS)
@by_name
def test_each_section_runs_alone_on_a_cluster_in_a_mess(notebook: Path, nbval: Run, tmp_path: Path) -> None:
    backwards = tmp_path / notebook.name
    nbformat.write(sections_backwards(notebook), backwards)
    done = nbval(backwards, tmp_path / "my")
    assert done.returncode == 0, done.stdout[-6000:]


def sections_backwards(notebook: Path) -> Any:
    """The first code cell, then the last section first: a mess, catching up, and the section's cells."""
    content = nbformat.read(notebook, 4)
    first, sections = [], {}
    for cell in content.cells:
        if found := re.match(r"## (\d\d\.\d+) ", cell.source):
            sections[found[1]] = []
        elif cell.cell_type == "code" and sections:
            list(sections.values())[-1].append(cell)
        elif cell.cell_type == "code":
            first.append(cell)
    content.cells = [uncompared(cell.source) for cell in first]
    for identity, cells in reversed(sections.items()):
        content.cells += [uncompared(MESS), uncompared(f'catch_me_up("{identity}")'), *cells]
    return content


def uncompared(source: str) -> Any:
    """A cell that must run without an error, whatever it prints."""
    return nbformat.v4.new_code_cell(source, execution_count=1, metadata={"tags": ["nbval-ignore-output"]})
