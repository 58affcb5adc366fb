"""Binder's folder says what repo2docker reads there (repo2docker.readthedocs.io, Configuration Files)."""

import hashlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from eventually import DEADLINE_SECONDS

from pocket_cluster import lifecycle
from pocket_cluster.home import Home

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"


@pytest.fixture(scope="session")
def repo2docker(ci_tool: Callable[[str], str]) -> str:
    """The path of repo2docker, which is what Binder runs."""
    return ci_tool("repo2docker")


def test_repo2docker_makes_an_image_of_it_that_installs_prepares_and_starts_the_course(repo2docker: str) -> None:
    command: list[str | Path] = [
        repo2docker,
        "--no-build",
        "--debug",
        "--user-id",
        "1000",
        "--user-name",
        "jovyan",
        ROOT,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert done.returncode == 0, done.stderr
    recipe = done.stdout + done.stderr
    steps = (
        "environment-2epy-2d3-2e13",  # its name for the file that says what Python 3.13 comes with
        "COPY --chown=1000:1000 src/ ${REPO_DIR}/",
        "USER ${NB_USER}",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "RUN ./binder/postBuild",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    )
    places = [recipe.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_the_constraints_are_what_repo2docker_installs_before_the_course(repo2docker: str) -> None:
    """So that CI's versions are Binder's. conda's name for nbconvert and jupyterhub differ from PyPI's."""
    environments = Path(repo2docker).resolve().parents[1].glob("lib/*/site-packages/repo2docker/buildpacks/conda")
    lock = next(environments).joinpath("environment.py-3.13-linux-64.lock").read_text().replace("_", "-")
    for line in constraints():
        name, version = line.split("==")
        assert any(f"/{each}-{version}-" in lock for each in (name, f"{name}-base", f"{name}-core")), line


def constraints() -> list[str]:
    lines = (BINDER / "constraints.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


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


def start(home: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run binder/start as Binder does, with the environment that runs this test instead of the image's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(home), "POCKET_CLUSTER_HOME": str(home / "cluster")}
    program: list[str | Path] = [BINDER / "start", *command]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_start_has_the_cluster_up_leads_terminals_to_it_and_then_runs_what_it_was_given(tmp_path: Path) -> None:
    try:
        done = start(tmp_path, "echo", "two words", "$HOME")
        assert lifecycle.is_up(Home(tmp_path / "cluster"))
    finally:
        lifecycle.down(Home(tmp_path / "cluster"))
    assert (done.returncode, done.stdout) == (0, "two words $HOME\n"), done.stderr
    written = json.loads((tmp_path / ".jupyter" / "jupyter_server_config.json").read_text())
    shell = written["ServerApp"]["terminado_settings"]["shell_command"]
    assert shell == ["env", f"KUBECONFIG={tmp_path}/cluster/kubeconfig", "bash"]
    assert shutil.which(shell[0])


def test_start_gives_jupyterlab_the_courses_settings(tmp_path: Path) -> None:
    (tmp_path / "cluster").write_text("no cluster is needed here")
    said = start(tmp_path, "sh", "-c", "echo $JUPYTER_CONFIG_PATH").stdout
    assert said == f"{ROOT / 'jupyter-settings'}\n"


def test_start_runs_what_it_was_given_even_when_there_is_no_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster").write_text("a file where the cluster's folder should be")
    done = start(tmp_path, "echo", "on")
    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr
    assert "Traceback" not in done.stderr


# --- kubectl


@pytest.fixture
def kubectl_py() -> ModuleType:
    spec = importlib.util.spec_from_file_location("binder_kubectl", BINDER / "kubectl.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, kubectl_py: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder from which kubectl.py fetches ``kubectl-amd64`` and so on, whatever this machine is."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    monkeypatch.setattr(kubectl_py, "ADDRESS", f"http://127.0.0.1:{server.server_port}/{{version}}-{{machine}}")
    monkeypatch.setattr(kubectl_py, "BUILDS", {this_machine(): ("amd64", hashlib.sha256(PROGRAM).hexdigest())})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder
    server.shutdown()
    server.server_close()


PROGRAM = b"#!/bin/sh\necho Client Version: pretended\n"


def this_machine() -> str:
    return f"{os.uname().sysname} {os.uname().machine}"


def test_kubectl_is_fetched_once_and_can_be_run(kubectl_py: ModuleType, mirror: Path, tmp_path: Path) -> None:
    published = mirror / f"{kubectl_py.VERSION}-amd64"
    published.write_bytes(PROGRAM)
    folder = tmp_path / "bin"
    assert kubectl_py.install(folder) == f"kubectl {kubectl_py.VERSION} is in {folder}."
    assert subprocess.run([folder / "kubectl"], capture_output=True).stdout == b"Client Version: pretended\n"
    published.unlink()
    assert kubectl_py.install(folder) == f"kubectl {kubectl_py.VERSION} is in {folder}."


def test_a_kubectl_with_another_checksum_is_not_kept(kubectl_py: ModuleType, mirror: Path, tmp_path: Path) -> None:
    (mirror / f"{kubectl_py.VERSION}-amd64").write_bytes(PROGRAM + b"rm -r ~")
    assert "its checksum is another" in kubectl_py.install(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_without_a_kubectl_to_fetch_the_build_goes_on(kubectl_py: ModuleType, mirror: Path, tmp_path: Path) -> None:
    said = kubectl_py.install(tmp_path / "bin")
    assert said.startswith("kubectl could not be fetched from http://127.0.0.1:")
    assert said.endswith("The course does without.")


def test_an_unknown_machine_is_named(kubectl_py: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kubectl_py, "BUILDS", {})
    assert f"No kubectl for {this_machine()} is known here." in kubectl_py.install(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()
