"""The sample application says who serves, keeps connections as a Node.js server would, and ends politely."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
DEADLINE = 10.0


class Running:
    """The application as a process of this test."""

    def __init__(self, context: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "app.py"],
            cwd=context,
            env={**os.environ, "PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        found = re.search(r"listens on port (\d+)", self.process.stdout.readline())
        assert found
        self.port = int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@pytest.fixture(params=["original", "custom"])
def context(request: pytest.FixtureRequest) -> Path:
    return IMAGES / str(request.param)


@pytest.fixture
def running(context: Path) -> Iterator[Running]:
    running = Running(context, {"KUBECHAOS_COLOUR": "#123456"})
    yield running
    running.process.kill()
    running.process.wait()


def get(connection: http.client.HTTPConnection, path: str, **headers: str) -> tuple[http.client.HTTPResponse, str]:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read().decode()


def test_both_versions_run_the_same_program_and_differ_in_their_surprises_only() -> None:
    for name in ("app.py", "Containerfile"):
        assert (IMAGES / "original" / name).read_bytes() == (IMAGES / "custom" / name).read_bytes()
    assert (IMAGES / "original" / "surprises.py").read_text() != (IMAGES / "custom" / "surprises.py").read_text()


def test_the_page_names_its_pod_version_connection_and_request(running: Running, context: Path) -> None:
    connection = running.connect()
    response, page = get(connection, "/")
    pod = socket.gethostname()
    assert f"Served by pod: <strong>{pod}</strong>" in page
    assert f"Version: <strong>{context.name}</strong>" in page
    assert "request <strong>1</strong> on connection <strong>1</strong>" in page
    assert "#123456" in page
    assert response.headers["X-Pod"] == pod
    assert "request <strong>2</strong> on connection <strong>1</strong>" in get(connection, "/")[1]
    assert "request <strong>1</strong> on connection <strong>2</strong>" in get(running.connect(), "/")[1]


def test_the_page_needs_nothing_from_elsewhere_so_that_it_works_behind_a_path_prefix(running: Running) -> None:
    _, page = get(running.connect(), "/")
    assert not re.search(r"(?:href|src|action)=\"(?!data:)", page)


def test_programs_get_json(running: Running, context: Path) -> None:
    for path, headers in (("/?format=json", {}), ("/", {"Accept": "application/json"})):
        facts = json.loads(get(running.connect(), path, **headers)[1])
        assert facts["version"] == context.name
        assert facts["pod"] == socket.gethostname()


def test_health_and_what_does_not_exist(running: Running) -> None:
    connection = running.connect()
    assert get(connection, "/healthz")[1] == "ok\n"
    assert get(connection, "/nosuch")[0].status == 404
    connection.request("HEAD", "/")
    assert connection.getresponse().read() == b""
    connection.request("POST", "/", body=b"x")
    assert connection.getresponse().status == 501


def test_an_idle_connection_is_closed_after_five_seconds(running: Running) -> None:
    connection = running.connect()
    get(connection, "/")
    start = time.monotonic()
    assert connection.sock.recv(1) == b""
    assert 4.5 < time.monotonic() - start < 8


def test_told_to_end_it_closes_idle_connections_and_exits_well(running: Running) -> None:
    idle = running.connect()
    get(idle, "/")
    assert running.end() == 0
    assert idle.sock.recv(1) == b""


def test_told_to_end_it_finishes_the_request_that_it_is_serving(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with socket.create_connection(("127.0.0.1", running.port)) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in other.recv(1024)  # by now the first request's line has been read too
        running.process.send_signal(signal.SIGTERM)
        slow.sendall(b"\r\n")
        answer = b"".join(iter(lambda: slow.recv(4096), b""))
    assert b"200 OK" in answer
    assert b"Connection: close" in answer or answer.endswith(b"</html>\n")
    assert running.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("nonsense", [b"\x00\xff\r\n\r\n", b"GET " + b"x" * 100_000 + b"\r\n\r\n", b"\r\n" * 50])
def test_nonsense_does_not_stop_it(running: Running, nonsense: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as visitor:
        visitor.sendall(nonsense)
    assert get(running.connect(), "/healthz")[1] == "ok\n"
