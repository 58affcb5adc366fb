"""The processes of a running cluster, by the name of a component."""

from __future__ import annotations

from eventually import eventually

from pocket_cluster import health
from pocket_cluster.home import Home


def process_of(home: Home, component: str) -> int:
    """The number of the process that runs it now, which is never 0: that would be this process's own group."""
    return eventually(lambda: health.noted_processes(home.run_dir)[component].pid, f"{component} runs")
