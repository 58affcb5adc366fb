"""What a run of all tests shows: what is through, what failed, what could not be checked, and which numbers differ."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import inventory
import pytest
from eventually import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]
MIXED = """
import pytest

def test_green(): pass
def test_red(): assert 1 == 2
def test_with_kubectl(kubectl): pass
def test_with_kubectl_too(kubectl): pass
"""
PAGES = """
import pytest

@pytest.mark.parametrize("page", ["00-one", "01-two"])
def test_page(page): pass
"""
UNUSED = ("cacheprovider", "nbval", "hypothesispytest")  # what takes long to load
Run = Callable[..., "tuple[int, str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a small suite with what all tests share, on a machine that has nothing but Python; exit code and output."""
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support")
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests" / "inventory.json").write_text('{"units": {}, "compared cells": {}}')
    (tmp_path / "tests" / "test_mixed.py").write_text(MIXED)
    (tmp_path / "tests" / "notebooks").mkdir()
    (tmp_path / "tests" / "notebooks" / "test_notebooks.py").write_text(PAGES)
    cells = [{"cell_type": "code", "metadata": {"tags": tags}} for tags in ([], ["nbval-skip"])]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00-one.ipynb").write_text(json.dumps({"cells": cells}))

    def run(*options: str, **environment: str) -> tuple[int, str]:
        own = {"PATH": str(tmp_path), "KUBECHAOS_CI_TOOLS": str(tmp_path), **environment}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KUBECHAOS", "PYTEST"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *(f"-pno:{plugin}" for plugin in UNUSED), *options],
            cwd=tmp_path,
            env=inherited | own,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS / 2,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_files_and_pages_failures_and_missing_things_are_named(run: Run) -> None:
    code, shown = run("--by-unit")
    assert code == 1
    assert "6 tests in 3 files and pages" in shown
    assert "failed: tests/test_mixed.py::test_red" in shown
    assert re.search(r"%, about \d+ s left +tests/test_mixed.py: 1 failed, 1 passed, 2 skipped\n", shown)
    assert re.search(r" tests/notebooks/test_notebooks.py\[01-two\]: 1 passed\n", shown)
    assert shown.count("this machine has no kubectl") == 1
    assert "2 tests were not run: this machine has no kubectl 1.32 or newer. To get it: https://" in shown
    assert "\nFAILED tests/test_mixed.py::test_red - assert 1 == 2\n" in shown


def test_numbers_that_are_not_the_inventorys_are_said_and_red_in_the_gate_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tests" / "test_mixed.py").write_text("def test_green(): pass\n")
    differs = "tests/test_mixed.py has 1 tests, and tests/inventory.json says 0."
    code, shown = run("--by-unit")
    assert (code, differs in shown) == (0, False)
    code, shown = run("--by-unit", KUBECHAOS_NO_SKIP="1")
    assert (code, differs in shown) == (1, True)
    assert "00-one has 1 compared cells, and tests/inventory.json says 0." in shown
    assert run("--by-unit", "--write-inventory", "--collect-only")[0] == 0
    code, shown = run("--by-unit", KUBECHAOS_NO_SKIP="1")
    assert (code, "inventory" in shown) == (0, False)


def test_a_quick_run_leaves_out_what_takes_long_and_says_so(run: Run, tmp_path: Path) -> None:
    units = {"tests/test_mixed.py": {"tests": 4, "seconds": 40.0}}
    units |= {
        f"tests/notebooks/test_notebooks.py[{page}]": {"tests": 1, "seconds": 0.1} for page in ("00-one", "01-two")
    }
    (tmp_path / "tests" / "inventory.json").write_text(json.dumps({"units": units, "compared cells": {}}))
    code, shown = run("--by-unit", "--quick")
    assert code == 0
    assert "2 passed, 4 deselected" in shown
    assert "Left out, since they take longer: 4 tests in tests/test_mixed.py. All: python3 lab.py test" in shown


def test_what_takes_longest_begins_and_a_seed_makes_another_order_always_the_same() -> None:
    seconds = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 1.0}
    assert inventory.in_order(seconds) == ["b", "c", "a", "d"]
    assert inventory.in_order(seconds, 7) == inventory.in_order(dict(reversed(seconds.items())), 7)
    assert inventory.in_order(seconds, 7) != inventory.in_order(seconds)
