"""What a page finds on a machine before it begins, and how it says what to mend."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.course import preflight

checks = importlib.import_module("kubechaos_helpers.course.preflight")  # the package has the function of this name


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    return tmp_path / "my"


def said(check: object) -> tuple[str, str]:
    """(what was found, how to mend it) of a check's first finding."""
    assert callable(check)
    findings: Iterator[tuple[str, str, str]] = check()
    _, found, mend = next(findings)
    return found, mend


def test_a_machine_that_has_everything_is_told_so(embedded: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    preflight()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["ok"] * (len(lines) - 1)
    assert lines[-1] == "Everything is there."


def test_an_old_python_is_named_with_those_that_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.sys, "version_info", (3, 9, 2))
    assert said(checks.python)[1].startswith("The course is tested with Python 3.11 to 3.14. Install one of these")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PACKAGES", ("kubernetes", "no-such-package"))
    found, mend = said(checks.packages)
    assert found == "missing: no-such-package"
    assert mend.endswith("-m pip install no-such-package")


def test_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NEEDED_MEGABYTES", 10**9)
    if Path("/proc/meminfo").exists():
        assert said(checks.memory)[1].startswith("Close other programs")


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Cluster:
        raise CourseError("It is down. Start it.")

    monkeypatch.setattr(checks, "connected", down)
    assert said(checks.cluster) == ("none", "It is down. Start it.")


def test_kubectl_is_never_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda _: None)
    found, mend = said(checks.kubectl)
    assert found.startswith("not there, and not needed")
    assert mend == ""


def test_a_browser_behind_a_proxy_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert said(checks.browser)[0].startswith("elsewhere, behind a proxy")
