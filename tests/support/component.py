"""The processes of a running cluster, by the name of a component."""

from __future__ import annotations

import contextlib
from pathlib import Path

from eventually import eventually

from pocket_cluster import health
from pocket_cluster.home import Home


def process_of(home: Home, component: str) -> int:
    """The number of the process that runs it now, which is never 0: that would be this process's own group."""
    return eventually(lambda: health.noted_processes(home.run_dir)[component].pid, f"{component} runs")


def commands_in(home: Home) -> list[list[str]]:
    """The words of each command of a cluster and its pods, by /proc: they work in the cluster's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(home.path.resolve()):
                found.append((process / "cmdline").read_bytes().decode(errors="replace").split("\0"))
    return found
