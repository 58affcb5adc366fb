"""A cluster whose kubeconfig clients read as they read a real one's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pocket_cluster import lifecycle
from pocket_cluster.home import Home
from pocket_cluster.kubelet.images import build_image

CONTAINERFILE = 'FROM python:3.13-slim\nCOPY app.py .\nCMD ["python", "-u", "app.py"]\n'
PROGRAM = """
import http.server
http.server.test(HandlerClass=http.server.SimpleHTTPRequestHandler, port=3000)
"""


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(tmp_path_factory.mktemp("clients") / "cluster")
    lifecycle.up(home)
    context = tmp_path_factory.mktemp("web")
    (context / "Containerfile").write_text(CONTAINERFILE)
    (context / "app.py").write_text(PROGRAM)
    build_image(home, context, "local/web:v1")
    yield str(home.kubeconfig)
    lifecycle.down(home)
