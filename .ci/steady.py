#!/usr/bin/env python3
"""Runs all tests again and again while the machine does other things: the same code has to get the same verdict.

    .ci/steady 5              five runs, each of the kind that was run least; earlier ones of the same code count
    .ci/steady 2 one-core     two runs of one kind
    .ci/steady 0              only what is known

The kinds: quiet; busy, with two processes for each core that only compute; one-core; shuffled, files and pages in
another order; single, a cluster whose pods share one address. Each run leaves a line in the file `steady` beside the
tools (~/.cache/kubechaos-ci): its commit, kind, verdict, seconds, and the tests that failed. Commits that differ only
in documents are the same code. Linux. Exit: 0 when none of the code's runs was red, 1 when one was, 2 there is no such
kind or no commit.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from checks import ROOT, TOOLS, commit_of, run_shown

QUIET, BUSY, ONE_CORE, SHUFFLED, SINGLE = KINDS = ("quiet", "busy", "one-core", "shuffled", "single")
SUITE = ["python3", "lab.py", "test"]
DOCUMENTS = [":(exclude)*.md", ":(exclude)docs"]
# Ends with the process that started it, however that ends.
SPIN = "import os\nstarter = os.getppid()\nwhile os.getppid() == starter:\n    sum(range(1_000_000))"


class Run(NamedTuple):
    """One line of the file. ``seed`` is the order's, 0 for the usual one."""

    commit: str
    kind: str
    seed: int
    is_green: bool
    seconds: int
    failed: list[str]


def known_runs() -> list[Run]:
    """Those of this code, in the order of running."""
    file = TOOLS / "steady"
    runs = [Run(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
    same = {commit: _is_same_code(commit) for commit in {run.commit for run in runs}}
    return [run for run in runs if same[run.commit]]


def _is_same_code(commit: str) -> bool:
    compare = ["git", "diff", "--quiet", commit, "--", ".", *DOCUMENTS]
    return subprocess.run(compare, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0


def next_kind(runs: list[Run]) -> str:
    """The kind that was run least."""
    times = Counter(run.kind for run in runs)
    return min(KINDS, key=lambda kind: times[kind])


def run_suite(commit: str, kind: str, seed: int) -> Run:
    """Run all tests, showing what they print, and keep a line of it."""
    own = {"KUBECHAOS_TEST_ORDER": str(seed)} if seed else {}
    own |= {"POCKET_CLUSTER_ADDRESSES": "single"} if kind == SINGLE else {}
    began = time.monotonic()
    with _meanwhile(kind):
        code, lines = run_shown(SUITE, ROOT, TOOLS, **own)
    named = [found[1] for line in lines if (found := re.match(r"(?:FAILED|ERROR) (tests/.*)", line))]
    failed = [name.partition(" - ")[0] for name in named]
    run = Run(commit[:7], kind, seed, code == 0, round(time.monotonic() - began), failed)
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "steady").open("a") as file:
        file.write(f"{json.dumps(run._asdict())}\n")
    return run


@contextlib.contextmanager
def _meanwhile(kind: str) -> Iterator[None]:
    """What the machine does beside the suite; the core that this process may use is that of all that it starts."""
    cores, spinning = os.sched_getaffinity(0), []
    if kind == ONE_CORE:
        os.sched_setaffinity(0, {min(cores)})
    if kind == BUSY:
        spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(2 * len(cores))]
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for each in spinning:
            each.kill()


def report(runs: list[Run]) -> list[str]:
    """A line for each run, what failed in which kinds, and how many were green in a row."""
    lines = [""]
    for run in runs:
        order = f": KUBECHAOS_TEST_ORDER={run.seed} {' '.join(SUITE)}" if run.seed else ""
        lines.append(f"{run.commit}  {'green' if run.is_green else 'RED  '}  {run.seconds:>5} s  {run.kind}{order}")
    kinds = defaultdict(list)
    for run in runs:
        for test in run.failed:
            kinds[test].append(run.kind)
    for test, where in sorted(kinds.items(), key=lambda item: -len(item[1])):
        times = ", ".join(f"{number} {kind}" for kind, number in Counter(where).items())
        lines.append(f"failed {len(where)} of {len(runs)}: {test} ({times})")
    row = []
    for run in reversed(runs):
        if not run.is_green:
            break
        row.append(run.kind)
    busy = sum(kind in (BUSY, ONE_CORE) for kind in row)
    lines.append(f"green in a row: {len(row)}, {busy} of them busy or on one core")
    return lines


def main(words: list[str]) -> int:
    if not words or not words[0].isdigit() or (words[1:] and words[1] not in KINDS):
        print(f"How often, and of which kind if it is to be one: .ci/steady 5 [{'|'.join(KINDS)}]", file=sys.stderr)
        return 2
    commit = commit_of(ROOT)
    if int(words[0]) and not commit:
        print(
            "There are changes that are not committed: commit them first, so that a run can be named.", file=sys.stderr
        )
        return 2
    for _ in range(int(words[0])):
        runs = known_runs()
        kind = words[1] if words[1:] else next_kind(runs)
        print(f"\n=== {kind}", flush=True)
        run_suite(commit, kind, len(runs) + 1 if kind == SHUFFLED else 0)
    runs = known_runs()
    print("\n".join(report(runs)))
    return 0 if all(run.is_green for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
