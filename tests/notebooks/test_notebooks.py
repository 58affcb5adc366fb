"""Every notebook runs from top to bottom, more than once, and shows what it shows in the course."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pocket_cluster import lifecycle
from pocket_cluster.home import Home

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SANITIZE = Path(__file__).with_name("sanitize.cfg")
SECONDS = 240
# Cells that nbval does not compare must say why, in a tag that begins so.
NOT_COMPARED = ("nbval-skip", "nbval-ignore-output")
# What the learner before may have left, for kubectl to make.
MESS = f"import runpy; runpy.run_path({str(ROOT / 'tests' / 'notebooks' / 'mess.py')!r})['make_a_mess'](cluster)"
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("notebooks") / "cluster")
    yield home
    lifecycle.down(home)


def run(notebook: Path, home: Home, my: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one notebook under nbval on a cluster of its own; the learner's files are those in ``my``."""
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZE), "--nbval-cell-timeout", "90"]
    own = {"POCKET_CLUSTER_HOME": str(home.path), "KUBECHAOS_MY": str(my), **environment}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options, str(notebook)],
        env={**os.environ, **own, "PYTEST_ADDOPTS": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.timeout(SECONDS)
@by_name
def test_it_shows_what_it_shows_also_after_another(notebook: Path, home: Home, tmp_path: Path) -> None:
    done = run(notebook, home, tmp_path / "my")
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{len(code_cells(notebook))} passed" in done.stdout


@pytest.mark.timeout(SECONDS)
@by_name
def test_each_section_runs_alone_on_a_cluster_in_a_mess(notebook: Path, home: Home, tmp_path: Path) -> None:
    backwards = tmp_path / notebook.name
    nbformat.write(sections_backwards(notebook), backwards)
    done = run(backwards, home, tmp_path / "my", KUBECHAOS_COURSE=str(ROOT))
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


@pytest.mark.timeout(SECONDS)
def test_a_kube_proxy_that_takes_turns_is_noticed(home: Home, tmp_path: Path) -> None:
    content = nbformat.read(ROOT / "notebooks" / "02-two-deployments-one-service.ipynb", 4)
    at = next(place for place, cell in enumerate(content.cells) if cell.source.startswith("## 02.9 "))
    content.cells.insert(at + 1, uncompared('cluster.balance("round-robin")'))
    mutant = tmp_path / "mutant.ipynb"
    nbformat.write(content, mutant)
    done = run(mutant, home, tmp_path / "my", KUBECHAOS_COURSE=str(ROOT))
    assert done.returncode != 0
    assert "In turns" in done.stdout
