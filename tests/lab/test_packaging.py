"""What is installed: the same for people and for pip, and a wheel that runs on its own."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]


def test_the_two_lists_of_packages_are_the_same() -> None:
    """requirements.txt for people, the extra ``course`` for pip: one truth in two places."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["course"]
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == [*packages, "-e ."]


def test_every_text_file_ends_its_lines_as_shells_want_it() -> None:
    files = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in files.splitlines() if "crlf" in line or "mixed" in line] == []


def copy_of_the_source(folder: Path) -> Path:
    """What a wheel is made of: setuptools leaves files where it builds, and finds those of earlier builds."""
    for package in ("pocket_cluster", "kubechaos_helpers"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_wheel_without_the_course_runs_a_cluster_in_an_empty_environment(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment["POCKET_CLUSTER_HOME"] = str(tmp_path / "cluster")

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    source = copy_of_the_source(tmp_path / "source")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, source)
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", next(tmp_path.glob("*.whl")))
    command = tmp_path / "empty" / "bin" / "pocket-cluster"
    try:
        assert "The pocket cluster is up" in run(command, "up")
        assert "Kubernetes v1.36.3+pocket, 0 of 0 pods running" in run(command, "status")
    finally:
        run(command, "down")
    installed = run(sys.executable, "-m", "pip", "--python", python, "list", "--format=freeze")
    assert "jupyterlab" not in installed
    assert "matplotlib" not in installed
