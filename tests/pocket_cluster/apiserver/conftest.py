"""An API server alone, in a thread of this process, and a plain HTTP client that knows nothing of Kubernetes."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster import apiserver, certificates
from pocket_cluster.api import resources
from pocket_cluster.home import Home

NAMESPACE = "recorded"
ROOTS = {resource.plural: resource for resource in resources.ALL}
# Where the stories are recorded: the kubeconfig of a real cluster.
RECORD = os.environ.get("RECORD_API_ANSWERS", "")


class Answer(NamedTuple):
    """What came back; ``body`` is decoded JSON, or text."""

    code: int
    headers: list[tuple[str, str]]
    body: Any


class Api:
    """``api.send("POST", "configmaps", {...})``: paths are below the namespace unless they begin with a slash."""

    def __init__(self, server: str, context: ssl.SSLContext, token: str = "", namespace: str = NAMESPACE) -> None:
        self.namespace = namespace
        self._host, self._context = urlsplit(server).netloc, context
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = self.connect()

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, timeout=DEADLINE_SECONDS, context=self._context)

    def path(self, path: str, **query: Any) -> str:
        if not path.startswith("/"):
            plural, slash, rest = path.partition("/")
            resource = ROOTS[plural.partition("?")[0]]
            where = f"namespaces/{self.namespace}/" if resource.namespaced else ""
            path = f"{resource.root}/{where}{plural}{slash}{rest}"
        return path + (f"?{urlencode(query)}" if query else "")

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request; ``body`` is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "User-Agent": "recorder/1", **self._headers, **(headers or {})}
        try:
            self._connection.request(method, self.path(path), data, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next request opens another
            raise
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        return Answer(answer.status, answer.getheaders(), json.loads(content) if is_json else content.decode())

    def must(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of an answer that is no refusal."""
        answer = self.send(method, path, body, headers)
        assert answer.code < 300, answer.body
        return answer.body


@contextmanager
def api_server(folder: Path) -> Iterator[Api]:
    """An API server with a home of its own, without any controller."""
    home = Home(folder)
    home.make_folders()
    certificates.ensure(home.path)
    home.keep_address_block(1)
    home.prepare()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(apiserver.run(home, stop)))
    thread.start()
    credentials = home.credentials("admin")
    api = Api(credentials.server, ssl.create_default_context(cafile=credentials.ca_file), credentials.token)
    try:
        eventually(lambda: _answers(api), "the API server answers")
        yield api
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE_SECONDS)
        loop.close()


def _answers(api: Api) -> bool:
    try:
        return api.send("GET", "/readyz").code == 200
    except OSError:
        return False


@contextmanager
def real_cluster(kubeconfig: Path, folder: Path) -> Iterator[Api]:
    """The cluster of a kubeconfig with a client certificate, as ``kubeadm`` writes it."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for name, data in ("cert", user["client-certificate-data"]), ("key", user["client-key-data"]):
        (folder / name).write_bytes(base64.b64decode(data))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(folder / "cert", folder / "key")
    yield Api(cluster["server"], context)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API server for all tests that can share one, with a namespace that the stories play in."""
    folder = tmp_path_factory.mktemp("apiserver")
    with real_cluster(Path(RECORD), folder) if RECORD else api_server(folder / "home") as found:
        found.must("POST", "namespaces", {"metadata": {"name": NAMESPACE}})
        yield found
        found.must("DELETE", f"namespaces/{NAMESPACE}")
