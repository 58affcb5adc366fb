"""Every section runs alone, on a cluster that somebody left in a mess: the last one first.

One page's sections run in every check, the other pages' in the full one: ``bash .ci/full more``.
"""

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
LESSON = ROOT / "notebooks" / "02-two-deployments-one-service.ipynb"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, id=path.stem, marks=[] if path == LESSON else pytest.mark.full) for path in NOTEBOOKS],
)
def test_each_section_runs_alone_on_a_cluster_in_a_mess(notebook: Path, nbval: Run, tmp_path: Path) -> None:
    backwards = tmp_path / notebook.name
    nbformat.write(sections_backwards(notebook), backwards)
    done = nbval(backwards, tmp_path / "my")
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.timeout(SECONDS)
def test_a_kube_proxy_that_takes_turns_is_noticed(nbval: Run, tmp_path: Path) -> None:
    content = nbformat.read(LESSON, 4)
    first, sections = sections_of(content)
    content.cells = [*first, uncompared('catch_me_up("02.9")'), uncompared('cluster.balance("round-robin")')]
    content.cells += sections["02.9"]
    mutant = tmp_path / "mutant.ipynb"
    nbformat.write(content, mutant)
    done = nbval(mutant, tmp_path / "my")
    assert done.returncode != 0
    assert "In turns" in done.stdout


def sections_backwards(notebook: Path) -> Any:
    """The first code cell, then the last section first: a mess, catching up, and the section's cells."""
    content = nbformat.read(notebook, 4)
    content.cells, sections = sections_of(content)
    for identity, cells in reversed(sections.items()):
        content.cells += [uncompared(MESS), uncompared(f'catch_me_up("{identity}")'), *cells]
    return content


def sections_of(content: Any) -> tuple[list[Any], dict[str, list[Any]]]:
    """The code cells before the first section, and those of each section by its number."""
    first, sections = [], {}
    for cell in content.cells:
        if found := re.match(r"## (\d\d\.\d+) ", cell.source):
            sections[found[1]] = []
        elif cell.cell_type == "code" and sections:
            list(sections.values())[-1].append(cell)
        elif cell.cell_type == "code":
            first.append(uncompared(cell.source))
    return first, sections


def uncompared(source: str) -> Any:
    """A cell that must run without an error, whatever it prints."""
    return nbformat.v4.new_code_cell(source, execution_count=1, metadata={"tags": ["nbval-ignore-output"]})
