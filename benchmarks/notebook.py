"""How long a page takes from top to bottom under nbval, beside its limit, and in how many runs it was as shipped.

python benchmarks/notebook.py [PAGE [TIMES]]     # 02, once, without arguments; 20 times shows that nothing is chance
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 60.0  # seconds, of page 02
OPTIONS = ("--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(ROOT / "tests/notebooks/sanitize.cfg"))


def run(notebook: Path, cluster: Path) -> tuple[float, bool, str]:
    """Seconds, whether all cells were as they are shipped, and nbval's last line."""
    with tempfile.TemporaryDirectory() as folder:
        my = str(Path(folder) / "my")  # outputs show the last part of the name
        environment = os.environ | {"POCKET_CLUSTER_HOME": str(cluster), "KUBECHAOS_MY": my}
        command = [
            sys.executable,
            "-m",
            "pytest",
            *OPTIONS,
            "--nbval-cell-timeout",
            "90",
            "-q",
            "-p",
            "no:cacheprovider",
        ]
        began = time.monotonic()
        done = subprocess.run([*command, notebook], cwd=ROOT, env=environment, capture_output=True, text=True)
        said = (done.stdout.strip().splitlines() or ["nothing"])[-1]
        return time.monotonic() - began, done.returncode == 0, re.sub(r"^=+ | =+$", "", said)


def main() -> None:
    page, times = (sys.argv[1:2] or ["02"])[0], int((sys.argv[2:3] or ["1"])[0])
    (notebook,) = (ROOT / "notebooks").glob(f"{page}-*.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        try:
            runs = []
            for number in range(1, times + 1):
                runs.append(run(notebook, Path(folder)))
                print(f"{number}: {runs[-1][0]:.0f} s, {runs[-1][2]}", flush=True)
        finally:
            environment = os.environ | {"POCKET_CLUSTER_HOME": folder}
            subprocess.run([sys.executable, "-m", "pocket_cluster", "down"], env=environment, capture_output=True)
    median = statistics.median(seconds for seconds, _, _ in runs)
    print(f"{notebook.stem}: {median:.0f} s, {median / LIMIT:.2f} x the limit of {LIMIT:.0f} s (that of page 02)")
    print(f"{sum(is_fine for _, is_fine, _ in runs)} of {times} runs were as shipped")


if __name__ == "__main__":
    main()
