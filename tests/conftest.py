"""What all tests share: a cluster of their own, what a machine may lack, and, in CI, no skips.

``KUBECHAOS_NO_SKIP=1`` turns each skipped test into a failed one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pocket_cluster import lifecycle
from pocket_cluster.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CI_TOOLS = Path(os.environ.get("KUBECHAOS_CI_TOOLS") or Path.home() / ".cache" / "kubechaos-ci") / "bin"
OLDEST_KUBECTL = (1, 32)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The learner's own settings must not reach the tests, nor the tests the learner's cluster and files.
LEARNERS_OWN = ("KUBECHAOS_CLUSTER", "KUBECHAOS_COURSE", "KUBECONFIG", "POCKET_CLUSTER_PROXY_MODE")
own_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give this process, one of xdist's workers perhaps, a cluster's home and a learner's folder of its own."""
    folder = config.stash[own_folder] = Path(tempfile.mkdtemp(prefix="kubechaos-tests-"))
    for name in LEARNERS_OWN:
        os.environ.pop(name, None)
    os.environ["POCKET_CLUSTER_HOME"] = str(folder / "cluster")
    os.environ["KUBECHAOS_MY"] = str(folder / "my")


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash[own_folder]
    lifecycle.down(Home(folder / "cluster"))
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those begin first that take longest: others fill the time of xdist's other workers."""
    items.sort(key=lambda item: [part not in item.path.parts for part in ("notebooks", "course")])


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("KUBECHAOS_NO_SKIP") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped here (KUBECHAOS_NO_SKIP). {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    refuse_skip(report)  # type: ignore[arg-type]  # what a wrapper is sent
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    refuse_skip(report)  # type: ignore[arg-type]
    return report


def kubectl_version(program: str) -> tuple[int, int] | None:
    """Such as ``(1, 36)``; None for what is no kubectl."""
    try:
        said = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, timeout=30).stdout
        version = json.loads(said)["clientVersion"]["gitVersion"]
        major, minor = version.removeprefix("v").split(".")[:2]
        return int(major), int(minor)
    except (OSError, ValueError, KeyError):
        return None


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The path of a kubectl that the course promises to work with: CI's own, or the one on the PATH."""
    for place in (str(CI_TOOLS), None):
        program = shutil.which("kubectl", path=place)
        if program and (kubectl_version(program) or (0, 0)) >= OLDEST_KUBECTL:
            return program
    pytest.skip("This machine has no kubectl, or one that is older than 1.32.")


@pytest.fixture(scope="session")
def oldest_kubectl() -> str:
    """The path of a kubectl 1.32, the oldest that the course promises to work with."""
    for program in filter(None, (shutil.which("kubectl-1.32", path=str(CI_TOOLS)), shutil.which("kubectl"))):
        if kubectl_version(program) == OLDEST_KUBECTL:
            return program
    pytest.skip("This machine has no kubectl 1.32.")


@pytest.fixture(scope="session")
def ci_tool() -> Callable[[str], str]:
    """Gives the path of a program that only the checks use: CI's own (.ci/tools), or the one on the PATH."""

    def find(name: str) -> str:
        program = shutil.which(name, path=str(CI_TOOLS)) or shutil.which(name)
        if program is None:
            pytest.skip(f"This machine has no {name}.")
        return program

    return find


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium or Chrome, driven by Playwright, whose event loop must not outlive the module."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("This machine has no Chromium or Chrome.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=program, args=arguments)
        yield found
        found.close()
