#!/usr/bin/env python3
"""Runs the steps of the gate (`bash .ci/run`) or of the full check (`bash .ci/full`), and prints one table at the end.

    bash .ci/run              what every change passes; ten minutes with its tools kept in ~/.cache/kubechaos-ci
    bash .ci/full             everything, as long as it takes; what cannot run here is named, and is not green
    bash .ci/run lint tests   some steps alone

A step is a program. It exits with 0 when all is well and with 77 when it cannot run on this machine: the last line
that it printed says why. Whatever the machine lacks is a failure in the gate. Exit: 0 all is green, 1 something is red,
2 there is no such step, 77 nothing is red but something could not run.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(os.environ.get("KUBECHAOS_CI_TOOLS") or Path.home() / ".cache" / "kubechaos-ci")
GATE = {
    "tools": [".ci/tools", str(TOOLS)],
    "lint": ["python3", "lab.py", "lint"],
    "tests": ["python3", "lab.py", "test"],
    "parity": [".ci/parity"],
    "newcomer": [".ci/newcomer"],
}
FULL = GATE | {
    "more": ["python3", "lab.py", "test", "-m", "full", "-n", "4", "--dist", "loadfile"],
    "robust": [
        *("env", "KUBECHAOS_MALFORMED=100000", "KUBECHAOS_FRAMES=5000", "KUBECHAOS_CHAOS=10000"),
        *("python3", "lab.py", "test", "-s", "tests/pocket_cluster/apiserver/test_malformed.py"),
        *("tests/pocket_cluster/streams/test_malformed_frames.py", "tests/pocket_cluster/test_chaos.py"),
    ],
    "soak": [".venv/bin/python", "benchmarks/soak.py", "--plot", str(TOOLS / "soak.svg")],
    "wheelhouse": [".ci/wheelhouse"],
    "fresh": [".ci/fresh"],
    "binder": [".ci/binder"],
    "real": [".ci/real"],
    "audit": [".ci/audit"],
    "steady": [".ci/steady", "5"],
}
STEPS = {"run": GATE, "full": FULL}
GREEN, RED, CANNOT = "green", "RED", "could not run here"
CANNOT_RUN = 77
LAST_LINES = 12


class Done(NamedTuple):
    """A step that ran; ``lines`` is what it printed."""

    step: str
    seconds: float
    verdict: str
    lines: list[str]


def run(which: str, step: str) -> Done:
    """Run a step, showing what it prints."""
    print(f"\n=== {step}", flush=True)
    began = time.monotonic()
    code, lines = run_shown(STEPS[which][step], ROOT, TOOLS)
    verdict = {0: GREEN, CANNOT_RUN: RED if which == "run" else CANNOT}.get(code, RED)
    return Done(step, time.monotonic() - began, verdict, lines)


def run_shown(command: list[str], root: Path, tools: Path, **environment: str) -> tuple[int, list[str]]:
    """Run a program of the checks, which may skip nothing, showing what it prints; its exit code and the lines."""
    own = {"KUBECHAOS_CI_TOOLS": str(tools), "KUBECHAOS_NO_SKIP": "1", **environment}
    lines = []
    with subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    return process.returncode, lines


def report(which: str, done: list[Done]) -> list[str]:
    """The table, and for each step that is not green what matters of it."""
    table = ["", f"{'step':<12}{'seconds':>8}  verdict"]
    table += [f"{each.step:<12}{each.seconds:>8.0f}  {each.verdict}" for each in done]
    table.append(f"{'together':<12}{sum(each.seconds for each in done):>8.0f}")
    for each in done:
        if each.verdict == RED:
            table += ["", f"{each.step} is red. Alone: bash .ci/{which} {each.step}"]
            table += [f"    {line}" for line in what_matters(each.lines)]
        elif each.verdict == CANNOT:
            table += ["", f"{each.step} could not run here: {(each.lines or ['it did not say why'])[-1]}"]
    lacking = [each.step for each in done if each.verdict == CANNOT]
    if lacking:
        table += ["", f"{len(lacking)} steps could not run here: {', '.join(lacking)}. That is not green."]
    return table


def what_matters(lines: list[str]) -> list[str]:
    """The names of failed tests and what lint finds in files, and the last lines."""
    named = [line for line in lines[:-LAST_LINES] if re.match(r"(FAILED|ERROR) tests/|\S+\.py:\d+", line)]
    return named + lines[-LAST_LINES:]


def commit_of(root: Path) -> str:
    """What is checked, by its commit; empty where there are changes, which have no name."""
    git = ["git", "-C", str(root)]
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    return "" if changed else commit


def keep_green(commit: str) -> None:
    """Note that this commit has passed, so that one can ask."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with open(TOOLS / "green", "a") as green:
        green.write(f"{commit}\n")


def main(which: str, wanted: list[str]) -> int:
    steps = STEPS[which]
    unknown = [name for name in wanted if name not in steps]
    if unknown:
        print(f"There is no step {unknown[0]!r} in .ci/{which}; there are: {', '.join(steps)}.", file=sys.stderr)
        return 2
    commit = commit_of(ROOT)
    done = [run(which, step) for step in wanted or steps]
    print("\n".join(report(which, done)))
    verdicts = {each.verdict for each in done}
    if verdicts == {GREEN} and not wanted and commit and commit == commit_of(ROOT):
        keep_green(commit)
    return 1 if RED in verdicts else CANNOT_RUN if CANNOT in verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
