"""Runs the course's notebooks under nbval on a cluster that is not the embedded one, as they are.

python tests/real/notebooks.py [--at-once N] [NN …]     # KUBECONFIG's current context; all pages without a number

Each page has a namespace and a learner's folder of its own; both are removed. Cells that are tagged
``particular-to-one-cluster`` run, and their outputs are not compared. The exit status is 1 when a page is not green.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import yaml
from kubernetes import client, config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SANITIZERS = (Path(__file__).with_name("sanitize.cfg"), ROOT / "tests" / "notebooks" / "sanitize.cfg")
PARTICULAR = "particular-to-one-cluster"
PAGE_SECONDS, CELL_SECONDS = 600, 120


def run(notebook: Path) -> tuple[str, bool, str]:
    """A page's name, whether all its cells were as they are shipped, and what nbval said."""
    namespace = f"kubechaos-{notebook.name[:2]}"
    core = client.CoreV1Api(config.new_client_from_config())
    core.create_namespace({"metadata": {"name": namespace}})
    try:
        with tempfile.TemporaryDirectory() as folder:
            return notebook.stem, *_nbval(notebook, Path(folder), namespace)
    finally:
        core.delete_namespace(namespace)


def _nbval(notebook: Path, folder: Path, namespace: str) -> tuple[bool, str]:
    copy = _course(folder / "course") / notebook.name
    copy.unlink()
    nbformat.write(_comparing_what_can_be(nbformat.read(notebook, 4)), copy)
    sanitizer = folder / "sanitize.cfg"
    sanitizer.write_text("\n".join(path.read_text() for path in SANITIZERS))
    own = {
        "KUBECHAOS_CLUSTER": "kubeconfig",
        "KUBECONFIG": str(_with_namespace(Path(os.environ["KUBECONFIG"]), folder / "kubeconfig", namespace)),
        "KUBECHAOS_MY": str(folder / "my"),
        "KUBECHAOS_COURSE": str(copy.parent.parent),
        "PYTEST_ADDOPTS": "",
    }
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(sanitizer)]
    options += ["--nbval-cell-timeout", str(CELL_SECONDS), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", str(folder), *options, str(copy)],
        env={**os.environ, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS,
    )
    return done.returncode == 0, done.stdout


def _course(folder: Path) -> Path:
    """The course in another folder, by links; the folder of its notebooks."""
    (folder / "notebooks").mkdir(parents=True)
    for path in (*(each for each in ROOT.iterdir() if each.name not in ("notebooks", ".git")), *NOTEBOOKS):
        (folder / path.relative_to(ROOT)).symlink_to(path)
    return folder / "notebooks"


def _comparing_what_can_be(content: Any) -> Any:
    for cell in content.cells:
        tags = cell.metadata.get("tags", [])
        if PARTICULAR in tags:
            cell.metadata["tags"] = [*tags, "nbval-ignore-output"]
    return content


def _with_namespace(kubeconfig: Path, copy: Path, namespace: str) -> Path:
    content = yaml.safe_load(kubeconfig.read_text())
    for each in content["contexts"]:
        each["context"]["namespace"] = namespace
    copy.write_text(yaml.safe_dump(content))
    copy.chmod(0o600)
    return copy


def main() -> int:
    """Run the pages that were asked for, several at once if wanted, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("numbers", nargs="*", metavar="NN")
    parser.add_argument("--at-once", type=int, default=1)
    wanted = parser.parse_args()
    pages = [path for path in NOTEBOOKS if not wanted.numbers or path.name[:2] in wanted.numbers]
    is_green = True
    with ThreadPoolExecutor(wanted.at_once) as pool:
        for name, passed, said in pool.map(run, pages):
            is_green = is_green and passed
            if not passed:
                print(said)
            counts = re.search(r"\d+ (?:passed|failed).*", said.splitlines()[-1] if said else "")
            print(f"{name}: {counts[0] if counts else 'did not run'}", flush=True)
    return 0 if is_green else 1


if __name__ == "__main__":
    sys.exit(main())
