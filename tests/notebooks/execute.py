"""Run notebooks from top to bottom on a cluster of their own and keep the outputs, as the course ships them.

python tests/notebooks/execute.py [NN …]     # all without an argument; 02 is notebooks/02-….ipynb
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

from pocket_cluster import lifecycle
from pocket_cluster.home import Home

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CELL_SECONDS = 90


def execute(path: Path) -> None:
    """Replace a notebook's outputs by those of a run in an empty folder of a learner's own."""
    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "cluster")
        os.environ.update(POCKET_CLUSTER_HOME=str(home.path), KUBECHAOS_MY=str(Path(folder) / "my"))
        client = nbclient.NotebookClient(
            notebook, timeout=CELL_SECONDS, store_widget_state=False, record_timing=False, resources=here(path)
        )
        try:
            client.execute()
        finally:
            lifecycle.down(home)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def here(path: Path) -> dict[str, dict[str, str]]:
    return {"metadata": {"path": str(path.parent)}}


def main(numbers: list[str]) -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not numbers or path.name[:2] in numbers:
            print(path.name, flush=True)
            execute(path)


if __name__ == "__main__":
    main(sys.argv[1:])
