"""What a page needs before it begins, checked one by one; each line says what was found, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kubechaos_helpers.access import version_of
from kubechaos_helpers.address import notebook_proxy
from kubechaos_helpers.connect import connected
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import my_folder

PACKAGES = ("jupyterlab", "ipywidgets", "kubernetes", "matplotlib", "nbval")
OLDEST, NEWEST = (3, 11), (3, 14)
# The embedded cluster with ten pods, one kernel and JupyterLab.
NEEDED_MEGABYTES = 450
KUBECTL = "https://kubernetes.io/docs/tasks/tools/"


class Finding(NamedTuple):
    """One line: ``mend`` is empty when nothing has to be done."""

    what: str
    found: str
    mend: str = ""


def preflight() -> None:
    """Print what this machine has for the course, and what to do where something is missing."""
    findings = [each for check in CHECKS for each in check()]
    for each in findings:
        print(f"{'ok  ' if not each.mend else 'MEND'} {each.what}: {each.found}")
        if each.mend:
            print(f"     {each.mend}")
    missing = sum(bool(each.mend) for each in findings)
    print("Everything is there." if not missing else f"{missing} to mend. Then run this cell again.")


def python() -> Iterator[Finding]:
    """The version that runs this notebook."""
    is_known = OLDEST <= sys.version_info[:2] <= NEWEST
    wanted = f"The course is tested with Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}."
    mend = "" if is_known else f"{wanted} Install one of these and start the course with it: python3.13 lab.py"
    yield Finding("Python", platform.python_version(), mend)


def packages() -> Iterator[Finding]:
    """The five packages that the pages use."""
    missing = [name for name in PACKAGES if not _version(name)]
    mend = f"Install them: {sys.executable} -m pip install {' '.join(missing)}" if missing else ""
    yield Finding("packages", f"missing: {', '.join(missing)}" if missing else ", ".join(PACKAGES), mend)


def memory() -> Iterator[Finding]:
    """What the machine has left; not said where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return
    mend = "" if available > NEEDED_MEGABYTES else "Close other programs, or other notebooks (Kernel, Shut Down All)."
    yield Finding("memory", f"{available} MB free, about {NEEDED_MEGABYTES} MB are needed", mend)


def folder() -> Iterator[Finding]:
    """Whether the learner's own files can be written."""
    place = my_folder()
    place.mkdir(parents=True, exist_ok=True)
    mend = (
        "" if os.access(place, os.W_OK) else "Give yourself the right to write there, or set KUBECHAOS_MY to a folder."
    )
    yield Finding("your own files", "my/", mend)


def cluster() -> Iterator[Finding]:
    """Whether the cluster answers."""
    try:
        version = version_of(connected().api)
        yield Finding("cluster", f"{connected().name}, Kubernetes {version}")
    except CourseError as error:
        yield Finding("cluster", "none", str(error))


def kubectl() -> Iterator[Finding]:
    """Whether a terminal has kubectl. Nothing in the course needs it."""
    if shutil.which("kubectl"):
        yield Finding("kubectl", "there, for the steps in a terminal")
    else:
        yield Finding("kubectl", f"not there, and not needed; for the steps in a terminal, install it from {KUBECTL}")


def browser() -> Iterator[Finding]:
    """Whether the learner's browser is on this machine, as far as the notebook can see."""
    if notebook_proxy():
        yield Finding("browser", "elsewhere, behind a proxy: each refresh of a page is a new connection there")
    else:
        yield Finding("browser", "on this machine")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (python, packages, memory, folder, cluster, kubectl, browser)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
