"""Binder's folder says what repo2docker reads there (repo2docker.readthedocs.io, Configuration Files)."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

BINDER = Path(__file__).parents[2] / "binder"


def test_it_installs_what_everybody_installs_with_a_python_that_the_course_supports() -> None:
    assert (BINDER / "requirements.txt").read_text() == "-r ../requirements.txt\n"
    assert (BINDER / "runtime.txt").read_text() == "python-3.13\n"


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_its_programs_are_bash_and_can_be_run(name: str) -> None:
    content = (BINDER / name).read_bytes()
    assert content.startswith(b"#!/bin/bash\n")
    assert b"\r" not in content
    assert (BINDER / name).stat().st_mode & stat.S_IXUSR
    assert subprocess.run(["bash", "-n", BINDER / name]).returncode == 0


def test_start_leads_terminals_to_the_cluster_and_then_runs_what_it_was_given(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "POCKET_CLUSTER_HOME": str(tmp_path / "cluster")}
    command = [BINDER / "start", "echo", "two words", "$HOME"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "two words $HOME\n"), done.stderr
    written = json.loads((tmp_path / ".jupyter" / "jupyter_server_config.json").read_text())
    shell = written["ServerApp"]["terminado_settings"]["shell_command"]
    assert shell == ["env", f"KUBECONFIG={tmp_path}/cluster/kubeconfig", "bash"]
    assert shutil.which(shell[0])
