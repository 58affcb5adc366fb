#!/usr/bin/env python3
"""Generated requests, sent to a real cluster and to a pocket cluster, and where they are answered differently.

    fuzz.py answers KUBECONFIG FILE [--seed N] [--cases N]    sends the cases of a seed and writes the answers down
    fuzz.py compare REAL POCKET                               compares two such files; exit 1 when they differ

The two clusters may lie in different networks: each file is made where its cluster can be reached.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from fuzzing import cases, cluster
from fuzzing.report import DIFFERENT, judged, summary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    sending = commands.add_parser("answers")
    sending.add_argument("kubeconfig", type=Path)
    sending.add_argument("file", type=Path)
    sending.add_argument("--seed", type=int, default=1)
    sending.add_argument("--cases", type=int, default=1000)
    sending.set_defaults(run=lambda given: write_answers(given.kubeconfig, given.file, given.seed, given.cases))
    comparing = commands.add_parser("compare")
    comparing.add_argument("real", type=Path)
    comparing.add_argument("pocket", type=Path)
    comparing.set_defaults(run=lambda given: report(given.real, given.pocket))
    given = parser.parse_args()
    return int(given.run(given))


def write_answers(kubeconfig: Path, file: Path, seed: int, count: int) -> int:
    started, where = time.monotonic(), cluster.Cluster(kubeconfig)
    namespace = cases.namespace_of(seed)
    cluster.prepare(where, namespace)
    found = [cluster.answers(where, case) for case in cases.generate(seed, count)]
    where.must("DELETE", f"/api/v1/namespaces/{namespace}")
    file.write_text(json.dumps({"seed": seed, "cases": count, "answers": found}))
    print(
        f"{count} cases of seed {seed} ({sum(map(len, found))} requests) answered in {time.monotonic() - started:.0f} s"
    )
    return 0


def report(real_file: Path, pocket_file: Path) -> int:
    real, pocket = (json.loads(file.read_text()) for file in (real_file, pocket_file))
    if (real["seed"], real["cases"]) != (pocket["seed"], pocket["cases"]):
        sys.exit(f"{real_file} and {pocket_file} answer different cases: make both with one --seed and --cases.")
    made = cases.generate(real["seed"], real["cases"])
    counted = judged(made, real["answers"], pocket["answers"])
    print(summary(real["seed"], counted))
    return 1 if counted[DIFFERENT] else 0


if __name__ == "__main__":
    sys.exit(main())
