"""What exec, the proxies and port-forward say is what a real cluster said when it was asked the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from claimed_port import claimed_port

from pocket_cluster.kubelet.images import build_image

if TYPE_CHECKING:
    from conftest import Cluster

RECORDED_WITH = "1.36"
PARITY = Path(__file__).parent.parent.parent / "parity"


def test_every_step_says_what_the_recording_of_a_real_cluster_says(cluster: Cluster, tmp_path: Path) -> None:
    said = json.loads(cluster.output("version", "--client", "-o", "json"))["clientVersion"]["gitVersion"]
    if not said.startswith(f"v{RECORDED_WITH}."):
        pytest.skip(f"The recording was made with kubectl {RECORDED_WITH}; {said} words some things its own way.")
    build_image(cluster.home, cluster.home.path / "context", "local/kubechaos:v1")
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(cluster.home.kubeconfig.read_text())  # the script changes its namespace
    path = os.pathsep.join([str(Path(cluster.program).parent), os.environ["PATH"]])
    with claimed_port() as first, claimed_port() as second:
        for name in ("streams.script", "streams.recording", "streams.yaml"):
            text = (PARITY / name).read_text()
            (tmp_path / name).write_text(text.replace("18471", str(first)).replace("18472", str(second)))
        done = subprocess.run(
            [sys.executable, PARITY / "transcript", tmp_path / "streams.script", tmp_path / "streams.recording"],
            env={**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path},
            capture_output=True,
            text=True,
            timeout=250,
        )
    assert done.returncode == 0, done.stdout + done.stderr
