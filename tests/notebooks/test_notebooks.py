"""Every notebook runs from top to bottom, more than once, and shows what it shows in the course."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
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


@by_name
def test_a_page_says_its_objectives_prerequisites_and_minutes(notebook: Path) -> None:
    first = nbformat.read(notebook, 4).cells[0].source
    for words in ("# ", "Afterwards you can", "You need", r"\*\*Time:\*\* \d+ minutes"):
        assert re.search(words, first), words


@by_name
def test_headings_go_down_one_level_at_a_time(notebook: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "markdown")
    levels = [len(heading) for heading in re.findall(r"(?m)^(#+) ", text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


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


@pytest.mark.timeout(2 * SECONDS)
@by_name
def test_it_shows_what_it_shows_twice_in_a_row(notebook: Path, home: Home, tmp_path: Path) -> None:
    for _ in range(2):
        done = run(notebook, home, tmp_path)
        assert done.returncode == 0, done.stdout[-6000:]
        assert f"{len(code_cells(notebook))} passed" in done.stdout


@pytest.mark.timeout(SECONDS)
def test_a_kube_proxy_that_takes_turns_is_noticed(tmp_path: Path) -> None:
    home = Home(tmp_path / "cluster")
    notebook = ROOT / "notebooks" / "02-two-deployments-one-service.ipynb"
    try:
        done = run(notebook, home, tmp_path / "my", POCKET_CLUSTER_PROXY_MODE="round-robin")
    finally:
        lifecycle.down(home)
    assert done.returncode != 0
    assert "In turns" in done.stdout
