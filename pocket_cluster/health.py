"""Whether each component serves: what it says itself, what its supervisor saw, and what both mean in a sentence.

Only the standard library: the pod runtime says it too. A component notes the number of its process when it serves; the
supervisor notes which processes it runs and how often each ended. Where the two differ, a component does not serve.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST_LINE = 300
# What each process runs, in the order of starting: the API server first, the pod runtime before the kubelet that asks.
# The scheduler is small: it lives with the controllers.
PROCESSES: dict[str, tuple[str, ...]] = {
    "apiserver": ("apiserver",),
    "runtime": ("runtime",),
    "controllers": ("controllers", "scheduler"),
    "kubelet": ("kubelet",),
    "kube-proxy": ("kube-proxy",),
}


@dataclass
class Process:
    """One of the supervisor's processes: the one that runs now (0: none), and how those before it ended.

    ``ended`` counts since it last ran for long; ``code`` is the last exit code, negative for a signal's number.
    """

    pid: int
    ended: int = 0
    code: int = 0


def say_that_it_serves(run_dir: Path, component: str) -> None:
    """Note that this process, or the component in it, does its work now."""
    _write(run_dir / f"{component}.serves", str(os.getpid()))


def forget(run_dir: Path) -> None:
    """What was noted before this start: a process of now may have the number of one of then."""
    for note in (*run_dir.glob("*.serves"), run_dir / "processes.json"):
        note.unlink(missing_ok=True)


def note_processes(run_dir: Path, processes: dict[str, Process]) -> None:
    """What the supervisor knows, by the name of the process."""
    _write(run_dir / "processes.json", json.dumps({name: asdict(process) for name, process in processes.items()}))


def noted_processes(run_dir: Path) -> dict[str, Process]:
    """The same, read by whoever asks; empty where no supervisor ever ran."""
    try:
        found: dict[str, dict[str, int]] = json.loads((run_dir / "processes.json").read_text())
    except OSError:
        return {}
    return {name: Process(**process) for name, process in found.items()}


def serves(run_dir: Path, component: str, process: Process) -> bool:
    try:
        return (run_dir / f"{component}.serves").read_text() == str(process.pid)
    except OSError:
        return False


def late(run_dir: Path, processes: dict[str, Process]) -> list[tuple[str, str]]:
    """Each component that does not serve, after the name of the process that it lives in."""
    return [
        (name, component)
        for name, process in processes.items()
        for component in PROCESSES[name]
        if not serves(run_dir, component, process)
    ]


def trouble(component: str, process: Process, log: Path) -> str:
    """Why a component that does not serve does not, with the last line that it wrote."""
    if not process.ended:
        return f"The {component} runs, but does not serve yet. The last line of {log}: {last_line(log)}"
    how = f"with {process.code}" if process.code >= 0 else f"by signal {-process.code}"
    times = "once" if process.ended == 1 else f"{process.ended} times in a row"
    return f"The {component} does not stay up: it ended {times}, last {how}. The last line of {log}: {last_line(log)}"


def last_line(log: Path) -> str:
    """The last line of a log, cut; what an empty one says is said in words."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1].strip()[:LONGEST_LINE] if lines else "nothing"


def _write(path: Path, text: str) -> None:
    """Whole or not at all: others read at any moment."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(unfinished, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    unfinished.replace(path)
