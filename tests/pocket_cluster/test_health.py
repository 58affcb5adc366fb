"""A component that does not stay up is named, with the last line that it wrote, by all who wait for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from component import process_of
from eventually import eventually, eventually_says

from kubechaos_helpers import connect
from kubechaos_helpers.errors import CourseError
from pocket_cluster import health, lifecycle
from pocket_cluster.cli import main
from pocket_cluster.health import Process
from pocket_cluster.home import Home

WROTE = "starting\nerror while loading shared libraries: libpython3.12.so.1.0\n\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "cluster")
    home.make_folders()
    yield home
    lifecycle.down(home)


@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        (Process(7, 0), "The runtime runs, but does not serve yet. "),
        (Process(0, 1, 127), "The runtime does not stay up: it ended once, last with 127. "),
        (Process(7, 3, -9), "The runtime does not stay up: it ended 3 times in a row, last by signal 9. "),
    ],
)
def test_what_is_said_of_a_component_that_does_not_serve(tmp_path: Path, process: Process, sentence: str) -> None:
    log = tmp_path / "runtime.log"
    assert health.trouble("runtime", process, log) == f"{sentence}The last line of {log}: nothing"
    log.write_text(WROTE)
    said = health.trouble("runtime", process, log)
    assert said == f"{sentence}The last line of {log}: error while loading shared libraries: libpython3.12.so.1.0"


def test_a_component_serves_when_the_process_that_runs_said_so(tmp_path: Path) -> None:
    assert not health.serves(tmp_path, "kubelet", Process(os.getpid()))
    health.say_that_it_serves(tmp_path, "kubelet")
    assert health.serves(tmp_path, "kubelet", Process(os.getpid()))
    assert not health.serves(tmp_path, "kubelet", Process(os.getpid() + 1)), "the one before it said so"
    assert not health.serves(tmp_path, "kubelet", Process(0, 1, -9)), "none runs"


def test_what_was_noted_before_a_start_is_forgotten(tmp_path: Path) -> None:
    """In a container that is started again, processes have the numbers that they had before."""
    health.say_that_it_serves(tmp_path, "kubelet")
    health.note_processes(tmp_path, {"kubelet": Process(os.getpid())})
    health.forget(tmp_path)
    assert not health.serves(tmp_path, "kubelet", Process(os.getpid()))
    assert health.noted_processes(tmp_path) == {}


def in_the_way_of_the_runtime(home: Home) -> None:
    """A folder where its socket is to be: it ends at each start."""
    socket = home.run_dir / "runtime.sock"
    socket.unlink(missing_ok=True)
    socket.mkdir()


def test_up_says_which_component_does_not_stay_up_and_leaves_nothing_running(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way_of_the_runtime(home)
    assert main(["--home", str(home.path), "up"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "The cluster did not become ready. The runtime does not stay up: it ended 4 times in a row, "
    )
    assert "runtime.sock'" in said
    serving = int((home.run_dir / "apiserver.serves").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(serving, 0)


def test_status_and_up_and_a_wait_say_it_of_a_cluster_that_was_up(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POCKET_CLUSTER_HOME", str(home.path))
    cluster = connect()
    assert lifecycle.troubles(home) == []
    in_the_way_of_the_runtime(home)
    os.kill(process_of(home, "runtime"), signal.SIGKILL)
    eventually_says(lambda: str(lifecycle.troubles(home)), "times in a row")
    for command in ("up", "status"):
        capsys.readouterr()
        assert main(["--home", str(home.path), command]) == 0
        assert "\nThe runtime does not stay up: it ended " in capsys.readouterr().out
    with pytest.raises(
        CourseError, match=r"After 0 s there is still: default\..*\nThe runtime does not stay up: it ended "
    ):
        cluster.wait_until_gone("serviceaccounts", timeout=0.1)
    (home.run_dir / "runtime.sock").rmdir()
    eventually(lambda: lifecycle.troubles(home), "all serve again", so=lambda said: said == [])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_runtime_keeps_what_its_interpreter_needs_to_find_its_library(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/a folder")
    monkeypatch.setenv("KUBECHAOS_SECRET", "not for pods")
    lifecycle.up(home)
    kept = Path(f"/proc/{process_of(home, 'runtime')}/environ").read_text().split("\0")
    assert f"LD_LIBRARY_PATH={tmp_path}/a folder" in kept
    assert "KUBECHAOS_SECRET=not for pods" not in kept
