"""A cluster with two pods behind Services, and pods in trouble; kubectl and a plain HTTP client that talk to it."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster import lifecycle
from pocket_cluster.home import Home
from pocket_cluster.kubelet.images import build_image

CONTAINERFILE = """
FROM python:3.13-slim
WORKDIR /src
COPY app.py .
CMD ["python", "app.py"]
"""
HERE = Path(__file__).parent


class Cluster:
    """A cluster, ``kubectl`` on it, and requests to its API without any client of Kubernetes."""

    def __init__(self, home: Home, program: str) -> None:
        self.home = home
        self.program = program

    def command(self, *arguments: str) -> list[str]:
        return [self.program, "--kubeconfig", str(self.home.kubeconfig), *arguments]

    def kubectl(self, *arguments: str, said: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end; ``said`` is its standard input."""
        return subprocess.run(
            self.command(*arguments), input=said, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )

    def output(self, *arguments: str, said: str | None = None) -> str:
        """What kubectl prints; AssertionError when it fails."""
        done = self.kubectl(*arguments, said=said)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of a request below ``/api/v1/namespaces/default/``."""
        credentials = self.home.credentials("admin")
        context = ssl.create_default_context(cafile=credentials.ca_file)
        host = credentials.server.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, timeout=DEADLINE_SECONDS, context=context)
        all_headers = {"Authorization": f"Bearer {credentials.token}", **(headers or {})}
        connection.request(method, f"/api/v1/namespaces/default/{path}", body, all_headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read().decode()
        connection.close()
        return found

    def pods(self) -> list[str]:
        """The names of the Deployment's two pods, as soon as both are ready."""
        found = eventually(self._both_pods, "two ready pods")
        assert found
        return found

    def _both_pods(self) -> list[str] | None:
        listed = json.loads(self.output("get", "pods", "-l", "app=web", "-o", "json"))
        ready = sorted(pod["metadata"]["name"] for pod in listed["items"] if _is_ready(pod))
        return ready if len(ready) == 2 else None


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kubectl: str) -> Iterator[Cluster]:
    home = Home(tmp_path_factory.mktemp("streams"))
    lifecycle.up(home)
    context = home.path / "context"
    context.mkdir()
    shutil.copy(HERE / "app.py", context)
    (context / "Containerfile").write_text(
        'FROM python:3.13-slim\nWORKDIR /src\nCOPY app.py .\nCMD ["python", "app.py"]'
    )
    build_image(home, context, "local/echo:v1")
    found = Cluster(home, kubectl)
    found.output("apply", "-f", str(HERE / "objects.yaml"))
    found.output("rollout", "status", "deploy/web", "--timeout", "100s")
    found.output("wait", "--for=condition=Ready", "pod/two", "--timeout", "100s")
    yield found
    lifecycle.down(home)
