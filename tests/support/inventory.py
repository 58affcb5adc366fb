"""What is checked, as numbers in a file: so many tests and compared cells, and about how long each unit of them takes.

A unit is what one of xdist's workers runs in one go: a file of tests, or one page of the notebooks' files. The numbers
of tests and cells are compared in every full run; they change in the commit that changes the tests, made anew with
``python3 lab.py test --write-inventory``; with ``--collect-only`` too, nothing is run and known seconds stay. The
seconds only order the units, longest first, and say how long it takes.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "inventory.json"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BY_PAGE = ("tests/notebooks/test_notebooks.py", "tests/notebooks/test_sections.py")
UNKNOWN_SECONDS = 5.0
QUICK_SECONDS = 4.0  # units that take longer are left out of a quick run
# Tags of cells that nbval does not compare.
NOT_COMPARED = {"nbval-skip", "nbval-ignore-output"}


class Unit(NamedTuple):
    """What the file knows of one."""

    tests: int
    seconds: float


def unit_of(nodeid: str) -> str:
    """The unit that a test belongs to: ``tests/a.py``, or ``tests/notebooks/test_notebooks.py[05-chaos]``."""
    file, _, test = nodeid.partition("::")
    page = test.partition("[")[2]
    return f"{file}[{page}" if page and file in BY_PAGE else file


def known_units() -> dict[str, Unit]:
    return {name: Unit(**unit) for name, unit in json.loads(FILE.read_text())["units"].items()}


def seconds_of(units: Iterable[str]) -> dict[str, float]:
    """What each of these took when that was measured, or what an unknown one may take."""
    known = known_units()
    return {unit: known[unit].seconds if unit in known else UNKNOWN_SECONDS for unit in units}


def in_order(seconds: dict[str, float], seed: int = 0) -> list[str]:
    """The units by name, longest first; with a seed, as that seed shuffles them."""
    order = sorted(seconds, key=lambda unit: (-seconds[unit], unit))
    if seed:
        random.Random(seed).shuffle(order)
    return order


def compared_cells() -> dict[str, int]:
    """For each notebook, how many cells' outputs are compared."""
    found = {}
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = [each for each in json.loads(notebook.read_text())["cells"] if each["cell_type"] == "code"]
        found[notebook.stem] = sum(not NOT_COMPARED & set(each["metadata"].get("tags", ())) for each in cells)
    return found


def differences(nodeids: Iterable[str]) -> list[str]:
    """Each number that is not what the file says, as a sentence."""
    known = json.loads(FILE.read_text())
    tests = {name: unit["tests"] for name, unit in known["units"].items()}
    return [
        *_compare(tests, Counter(map(unit_of, nodeids)), "tests"),
        *_compare(known["compared cells"], compared_cells(), "compared cells"),
    ]


def _compare(known: dict[str, int], found: dict[str, int], what: str) -> list[str]:
    names = sorted({*known, *found})
    return [
        f"{name} has {found.get(name, 0)} {what}, and tests/inventory.json says {known.get(name, 0)}."
        for name in names
        if found.get(name, 0) != known.get(name, 0)
    ]


def write(nodeids: Iterable[str], seconds: dict[str, float]) -> None:
    """Keep these tests' numbers, the cells, and what was measured now or, where nothing was run, before."""
    tests = Counter(map(unit_of, nodeids))
    known = seconds_of(tests)
    units = {
        name: {"tests": tests[name], "seconds": round(seconds.get(name) or known[name], 1)} for name in sorted(tests)
    }
    together = {"tests": tests.total(), "compared cells": sum(compared_cells().values())}
    content = {"together": together, "compared cells": compared_cells(), "units": units}
    FILE.write_text(json.dumps(content, indent=1) + "\n")
