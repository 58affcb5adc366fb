"""Processes that outlived a pod runtime which was killed: found by session and start time, and ended.

Only the standard library: the runtime uses this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def remember(file: Path, pid: int) -> None:
    """Note a session (by its first process) that must not outlive the runtime."""
    with open(file, "a") as sessions:
        sessions.write(f"{pid} {_start_of(pid)}\n")


def end_all(file: Path) -> None:
    """Kill every process of the noted sessions that still runs, and forget them."""
    with contextlib.suppress(FileNotFoundError):
        noted = dict(line.split(" ", 1) for line in file.read_text().splitlines())
        for pid, session in list(_processes()):
            if str(session) in noted and _is_same(session, noted[str(session)]):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        file.unlink()


def children_of(parent: int) -> Iterator[int]:
    """The processes that have this parent; none where the system is not Linux, which gives orphans to others."""
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields and int(fields[1]) == parent:
            yield int(folder.name)


def _is_same(leader: int, start: str) -> bool:
    """While a process is in a session its number is not given again; its first process, if alive, is the noted one."""
    return _start_of(leader) in ("", start)


def _processes() -> Iterator[tuple[int, int]]:
    """Process and session of everything that runs."""
    if sys.platform == "linux":
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                fields = _stat(int(folder.name))
                if fields:
                    yield int(folder.name), int(fields[3])
        return
    listed = subprocess.run(["ps", "-axo", "pid=,pgid="], capture_output=True, text=True).stdout
    for line in listed.splitlines():
        pid, group = line.split()
        yield int(pid), int(group)


def _start_of(pid: int) -> str:
    """When the process started, in whatever unit the system has; empty when it does not run."""
    if sys.platform == "linux":
        fields = _stat(pid)
        return fields[19] if fields else ""
    return subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5)); the second may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
