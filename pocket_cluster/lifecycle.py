"""Starting, stopping and looking at a cluster from outside: what the command line and other programs call.

Imports little: finding that the cluster is up already takes a fraction of a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pocket_cluster import health
from pocket_cluster.home import Home, HomeError, private

START_SECONDS = 120.0  # more than the supervisor takes to say that it does not work
STOP_SECONDS = 40.0
REQUEST_SECONDS = 10.0


class ClusterError(Exception):
    """The cluster could not be started, stopped or asked; the text says why and what to do."""


def up(home: Home) -> bool:
    """Start the cluster of that folder unless it runs. Returns whether it had to be started.

    Raises ClusterError or HomeError with a sentence for the user. Two calls at once start one cluster.
    """
    if is_up(home):
        return False
    home.make_folders()
    with _one_at_a_time(home):
        if is_up(home):
            return False
        _start(home)
    return True


def is_up(home: Home) -> bool:
    """Whether a supervisor holds the folder's lock and the API server says that it is ready."""
    return _supervisor_runs(home) and _is_ready(home)


def troubles(home: Home) -> list[str]:
    """A sentence for each component of a running cluster that does not serve, with the last line that it wrote."""
    if not _supervisor_runs(home):
        return []
    processes = health.noted_processes(home.run_dir)
    return [
        health.trouble(component, processes[name], home.log_of(name))
        for name, component in health.late(home.run_dir, processes)
    ]


def down(home: Home) -> bool:
    """Stop the cluster; what it stores stays. Returns whether there was one to stop."""
    if not _supervisor_runs(home):
        return False
    pid = int((home.run_dir / "supervisor.pid").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _supervisor_runs(home):
        if time.monotonic() > deadline:
            raise ClusterError(f"Process {pid} did not stop within {STOP_SECONDS:.0f} s. End it with: kill -9 {pid}")
        time.sleep(0.02)  # a lock's release cannot be waited for with a deadline
    return True


def reset(home: Home) -> None:
    """Stop the cluster and forget every object in it. Keys, port and built images stay."""
    down(home)
    for leftover in (home.database, *home.path.glob(home.database.name + "-*")):
        leftover.unlink(missing_ok=True)
    for folder in (home.pods_dir, home.run_dir, home.logs_dir):
        shutil.rmtree(folder, ignore_errors=True)


def ask(home: Home, path: str) -> Any:
    """The API server's answer to a GET as decoded JSON; ClusterError when there is none."""
    try:
        return json.loads(_get(home, path))
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"The cluster in {home.path} does not answer ({error}). Start it with: pocket-cluster up"
        ) from error


def _get(home: Home, path: str) -> bytes:
    credentials = home.credentials("admin")
    request = urllib.request.Request(
        credentials.server + path, headers={"Authorization": f"Bearer {credentials.token}"}
    )
    context = ssl.create_default_context(cafile=credentials.ca_file)
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=context) as answer:
        content: bytes = answer.read()
        return content


def _is_ready(home: Home) -> bool:
    try:
        return _get(home, "/readyz") == b"ok"
    except (OSError, ValueError):
        return False


def _supervisor_runs(home: Home) -> bool:
    """A running supervisor holds the lock; a dead one cannot."""
    try:
        descriptor = os.open(home.run_dir / "supervisor.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _one_at_a_time(home: Home) -> Iterator[None]:
    with open(home.path / "up.lock", "w", opener=private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(home: Home) -> None:
    """Start a detached supervisor and wait for the one word or sentence that it reports."""
    if _supervisor_runs(home):  # it runs, but its API server does not answer
        down(home)
    reader, writer = os.pipe()
    with open(home.log_of("supervisor"), "ab", opener=private) as log:
        subprocess.Popen(
            [sys.executable, "-m", "pocket_cluster.supervisor", str(home.path), str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,
            env=_environment(),
        )
    os.close(writer)
    report = _read_report(reader)
    if report != "ready":
        raise ClusterError(
            report or f"The cluster did not start. The last lines of {home.log_of('supervisor')} say why."
        )


def _read_report(reader: int) -> str:
    with open(reader, "rb") as pipe:
        if not select.select([pipe], [], [], START_SECONDS)[0]:
            return f"The cluster did not report within {START_SECONDS:.0f} s."
        return pipe.read1().decode()  # not to the end: the components inherit the other side


def _environment() -> dict[str, str]:
    """The cluster's processes import the same pocket_cluster as the caller, from wherever that is."""
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


__all__ = ["ClusterError", "HomeError", "ask", "down", "is_up", "reset", "troubles", "up"]
