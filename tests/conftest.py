"""What all tests share: a cluster of their own, what a machine may lack, and how a run of all is divided and shown.

``KUBECHAOS_NO_SKIP=1``, as the gate sets it, makes each skipped test a failed one, and each number that is not the
inventory's a failure. ``KUBECHAOS_TEST_ORDER=7`` runs files and pages in another order, the seventh.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inventory
import pytest
import reporting
from bare_path import leave_only_bare_path, machines_path, machines_program
from hypothesis import settings

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


@pytest.hookimpl(trylast=True)  # the terminal's plugin comes first
def pytest_configure(config: pytest.Config) -> None:
    """Give this process, one of xdist's workers perhaps, a cluster's home and a learner's folder of its own."""
    folder = config.stash[own_folder] = Path(tempfile.mkdtemp(prefix="kubechaos-tests-"))
    leave_only_bare_path(folder / "programs")
    os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["XDG_RUNTIME_DIR"] = str(folder)  # goes with what tests leave
    settings.load_profile("ci")  # the same examples each time, and no deadlines
    for name in LEARNERS_OWN:
        os.environ.pop(name, None)
    os.environ["POCKET_CLUSTER_HOME"] = str(folder / "cluster")
    os.environ["KUBECHAOS_MY"] = str(folder / "my")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(reporting.Report(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash[own_folder]
    try:
        lifecycle.down(Home(folder / "cluster"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--by-unit", action="store_true", help="one line for each file or page that is through")
    parser.addoption("--quick", action="store_true", help="only what answers within about a minute")
    parser.addoption("--write-inventory", action="store_true", help="keep these numbers in tests/inventory.json")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as a whole, since their tests share a cluster, but each page of the notebooks' files on its own."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByUnitScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return inventory.unit_of(nodeid)

    return ByUnitScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let those begin first that take longest, and leave out what takes long where that is wanted."""
    seconds = inventory.seconds_of(map(_unit, items))
    order = inventory.in_order(seconds, int(os.environ.get("KUBECHAOS_TEST_ORDER") or 0))
    items.sort(key=lambda item: order.index(_unit(item)))
    if config.option.quick:
        left_out = [item for item in items if seconds[_unit(item)] > inventory.QUICK_SECONDS]
        items[:] = [item for item in items if seconds[_unit(item)] <= inventory.QUICK_SECONDS]
        config.hook.pytest_deselected(items=left_out)


def _unit(item: pytest.Item) -> str:
    return inventory.unit_of(item.nodeid)


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
    for place in (str(CI_TOOLS), machines_path()):
        program = shutil.which("kubectl", path=place)
        if program and (kubectl_version(program) or (0, 0)) >= OLDEST_KUBECTL:
            return program
    pytest.skip("this machine has no kubectl 1.32 or newer. To get it: https://kubernetes.io/docs/tasks/tools")


@pytest.fixture(scope="session")
def oldest_kubectl() -> str:
    """The path of a kubectl 1.32, the oldest that the course promises to work with."""
    for program in filter(None, (shutil.which("kubectl-1.32", path=str(CI_TOOLS)), machines_program("kubectl"))):
        if kubectl_version(program) == OLDEST_KUBECTL:
            return program
    pytest.skip(f"this machine has no kubectl 1.32. To get it: .ci/kubectl/build {CI_TOOLS.parent}")


@pytest.fixture(scope="session")
def ci_tool() -> Callable[[str], str]:
    """Gives the path of a program that only the checks use: CI's own (.ci/tools), or the one on the PATH."""

    def find(name: str) -> str:
        program = shutil.which(name, path=str(CI_TOOLS)) or machines_program(name)
        if program is None:
            pytest.skip(f"this machine has no {name}. To get it: .ci/tools {CI_TOOLS.parent}")
        return program

    return find


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium or Chrome, driven by Playwright, whose event loop must not outlive the module."""
    program = next(filter(None, map(machines_program, BROWSERS)), None)
    if program is None:
        pytest.skip("this machine has no Chromium or Chrome. To get it: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(
            executable_path=program, args=arguments, env={**os.environ, "PATH": machines_path()}
        )
        yield found
        found.close()
