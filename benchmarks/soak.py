"""Whether a cluster that is used for long keeps growing: rounds of ten pods that come, are visited and go.

    python benchmarks/soak.py                                    twenty minutes
    python benchmarks/soak.py --minutes 2 --plot /tmp/soak.svg   fewer, and where the plot goes

After each round the memory of each process is taken (PSS). The table shows its median in the second and in the last
quarter, when no round is the first of anything, and the growth in between for one round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from cluster import ROOT, Bench, memory, pocket

VISITS = 200
FEWEST_ROUNDS = 8
STYLES = ("-", "--", "-.", ":")


def rounds(home: Path, minutes: float) -> list[dict[str, float]]:
    """The memory after each round, in MB by process."""
    pocket(home, "build", str(ROOT / "images" / "original"), "local/kubechaos:v1")
    pocket(home, "build", str(ROOT / "images" / "custom"), "local/kubechaos:v2")
    bench, found, end = Bench(str(home / "kubeconfig")), [], time.monotonic() + minutes * 60
    while time.monotonic() < end or len(found) < FEWEST_ROUNDS:
        bench.scale_to(10)
        port = bench.core.read_namespaced_service("kubechaos-svc", "default").spec.ports[0].node_port
        for _ in range(VISITS):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                answer.read()
        bench.clear()
        found.append({name: size for name, size in memory(home).items() if name != "pods"})
    return found


def show(found: list[dict[str, float]]) -> None:
    quarter = len(found) // 4
    print(f"{len(found)} rounds of ten pods and {VISITS} visits; MB (PSS) in the second and in the last quarter")
    for name in found[0]:
        sizes = [each.get(name, 0.0) for each in found]  # 0 where it was being started again
        before, after = statistics.median(sizes[quarter : 2 * quarter]), statistics.median(sizes[-quarter:])
        print(f"{name:12} {before:6.1f} {after:6.1f}   {1000 * (after - before) / (2 * quarter):+6.1f} kB a round")


def plot(found: list[dict[str, float]], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for number, name in enumerate(found[0]):
        axes.plot([each.get(name, 0.0) for each in found], STYLES[number % len(STYLES)], label=name)
    axes.set(xlabel="round of ten pods", ylabel="memory (MB, PSS)", ylim=(0, None))
    axes.set_title("Memory of each process of a cluster after each round")
    figure.legend(loc="outside right center")
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--plot", type=Path, default=Path("soak.svg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pocket(home, "up")
        try:
            found = rounds(home, options.minutes)
        finally:
            pocket(home, "down")
    show(found)
    plot(found, options.plot)
    print(f"the plot is {os.path.relpath(options.plot)}")


if __name__ == "__main__":
    main()
