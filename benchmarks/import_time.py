"""What ``import kubechaos_helpers`` costs, and what it leaves for later, each in fresh interpreters.

python benchmarks/import_time.py [TIMES]
"""

import statistics
import subprocess
import sys

MEASURE = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
OURS = "kubechaos_helpers"
LATER = ("kubernetes.client", "matplotlib.figure", "ipywidgets")


def seconds(module: str, times: int) -> float:
    """The median time of importing a module."""
    command = [sys.executable, "-c", MEASURE.format(module)]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(times))
    return statistics.median(map(float, runs))


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    empty = seconds("asyncio", times)
    ours = seconds(OURS, times)
    print(f"{OURS}: {ours:.3f} s, {ours / empty:.1f} x import asyncio (reach: 0.6 s)")
    for module in LATER:
        cost = seconds(module, times)
        print(f"left for later: {module}: {cost:.3f} s, {cost / ours:.1f} x {OURS}")


if __name__ == "__main__":
    main()
