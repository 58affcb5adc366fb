"""Tests find by their names the programs that every machine has; what a machine may lack they ask a fixture for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bare_path import ESSENTIAL, MACHINES_OWN, leave_only_bare_path, machines_program


@pytest.fixture
def lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that this machine has, and not every machine; the PATH is bare."""
    program = tmp_path / "machine" / "fetch-it"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    machine = os.environ.get(MACHINES_OWN) or os.environ["PATH"]
    monkeypatch.setenv(MACHINES_OWN, f"{program.parent}{os.pathsep}{machine}")
    monkeypatch.setenv("PATH", os.environ[MACHINES_OWN])
    leave_only_bare_path(tmp_path / "bare")
    return program


def test_what_a_machine_may_lack_is_found_by_a_fixture_alone(lacking: Path) -> None:
    assert shutil.which(lacking.name) is None
    with pytest.raises(FileNotFoundError):
        subprocess.run([lacking.name])
    assert subprocess.run(["sh", "-c", lacking.name], capture_output=True).returncode == 127
    assert machines_program(lacking.name) == str(lacking)


@pytest.mark.usefixtures("lacking")
def test_python_git_and_a_shell_with_its_essentials_are_found() -> None:
    assert [name for name in ("python3", "git", *ESSENTIAL) if shutil.which(name) is None] == []


def test_these_tests_have_such_a_path() -> None:
    *_, last = os.environ["PATH"].split(os.pathsep)
    assert {path.name for path in Path(last).iterdir()} == {"python3", "git", *ESSENTIAL}
