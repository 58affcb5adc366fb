"""The sample application says who serves, keeps connections as a Node.js server would, and ends in good order."""

import asyncio
import http.client
import importlib
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from eventually import DEADLINE_SECONDS, eventually
from leaping_loop import leap, run_leaping

IMAGES = Path(__file__).parents[2] / "images"


class Running:
    """The application as a process of this test."""

    def __init__(self, context: Path, program: Sequence[str] = ("app.py",), **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-B", *program],
            cwd=context,
            env={**os.environ, "PORT": "0", "HOSTNAME": "pod-of-the-test", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log: list[str] = []
        self.port = int(self.wait_for_line(r"listens on port (\d+)")[1])

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """The next line of the log that has the pattern; pytest's timeout ends a wait in vain."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} is not in the log: {self.log}")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)

    def say(self, *pieces: bytes) -> bytes:
        """Everything that comes back for these bytes, until the application hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_SECONDS) as visitor:
            for piece in pieces:
                visitor.sendall(piece)
            return b"".join(iter(lambda: visitor.recv(65536), b""))

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(params=["original", "custom"])
def context(request: pytest.FixtureRequest) -> Path:
    return IMAGES / str(request.param)


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    running = Running(IMAGES / "original", **getattr(request, "param", {}))
    yield running
    running.close()


def get(
    connection: http.client.HTTPConnection, path: str = "/", **headers: str
) -> tuple[http.client.HTTPResponse, str]:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read().decode()


def facts(connection: http.client.HTTPConnection) -> dict[str, object]:
    found: dict[str, object] = json.loads(get(connection, "/?format=json")[1])
    return found


def test_both_versions_are_whole_run_the_same_program_and_differ_in_their_surprises_only() -> None:
    names = {
        folder: {path.name for path in (IMAGES / folder).iterdir()} - {"__pycache__"}
        for folder in ("original", "custom")
    }
    assert names["original"] == names["custom"]
    assert "surprises.py" in names["original"]
    for name in names["original"] - {"surprises.py"}:
        assert not (IMAGES / "custom" / name).is_symlink()
        assert (IMAGES / "original" / name).read_bytes() == (IMAGES / "custom" / name).read_bytes(), name
    settings = [re.findall(r"(?m)^[A-Z_]+", (IMAGES / folder / "surprises.py").read_text()) for folder in names]
    assert settings[0] == settings[1]


def test_the_versions_differ_in_colour_pattern_title_and_every_surprise() -> None:
    values: list[dict[str, Any]] = []
    for folder in ("original", "custom"):
        values.append({})
        exec((IMAGES / folder / "surprises.py").read_text(), values[-1])
    for name in ("VERSION", "IMAGE_TAG", "COLOUR", "PATTERN", "TITLE", "MESSAGE"):
        assert values[0][name] != values[1][name]
    assert not set(values[0]["SURPRISES"]) & set(values[1]["SURPRISES"])
    assert [(value["VERSION"], value["IMAGE_TAG"]) for value in values] == [("original", "v1"), ("custom", "v2")]


def test_the_page_says_which_pod_and_version_and_which_request_on_which_connection(context: Path) -> None:
    running = Running(context)
    try:
        connection = running.connect()
        response, page = get(connection)
        assert "Served by pod: <strong>pod-of-the-test</strong>" in page
        assert f"Version: <strong>{context.name}</strong>" in page
        assert "request <strong>1</strong> on connection <strong>1</strong>" in page
        assert response.headers["X-Pod"] == "pod-of-the-test"
        assert response.headers["Cache-Control"] == "no-store"
        assert "request <strong>2</strong> on connection <strong>1</strong>" in get(connection)[1]
        assert "request <strong>1</strong> on connection <strong>2</strong>" in get(running.connect())[1]
    finally:
        running.close()


def test_the_page_has_a_language_and_a_title_follows_dark_mode_and_loads_nothing(running: Running) -> None:
    page = get(running.connect())[1]
    assert '<html lang="en">' in page
    assert "<title>Kubechaos (original)</title>" in page
    assert "color-scheme: light dark" in page
    assert '<link rel="icon" href="data:,">' in page  # else browsers ask for /favicon.ico
    assert not re.search(r"https?:|//|@import|url\(", page)


def test_the_page_works_behind_a_path_prefix(running: Running) -> None:
    links = re.findall(r"(?:href|src|action)=\"([^\"]*)", get(running.connect())[1])
    assert set(links) == {"data:,", "./", "./?format=json"}


def test_programs_get_json(running: Running) -> None:
    connection = running.connect()
    by_query = facts(connection)
    by_header = json.loads(get(connection, "/", Accept="application/json")[1])
    assert (by_query["pod"], by_query["version"], by_query["connection"]) == ("pod-of-the-test", "original", 1)
    assert (by_query["request"], by_header["request"]) == (1, 2)
    browser = "text/html,application/xhtml+xml,application/json;q=0.5"
    assert get(connection, "/", Accept=browser)[1].startswith("<!DOCTYPE html>")


def test_no_surprise_comes_twice_in_a_row(running: Running) -> None:
    connection = running.connect()
    seen = [facts(connection)["surprise"] for _ in range(60)]
    assert all(one != next_one for one, next_one in itertools.pairwise(seen))
    assert len(set(seen)) > 3


def test_a_health_check_is_no_visitor(running: Running) -> None:
    assert get(running.connect(), "/healthz")[1] == "ok\n"
    assert facts(running.connect())["connection"] == 1


@pytest.mark.parametrize(
    "running", [{"KUBECHAOS_TITLE": "Mine & <b>yours</b>", "KUBECHAOS_COLOUR": "#123456"}], indirect=True
)
def test_texts_and_colours_come_from_the_environment_and_are_no_markup(running: Running) -> None:
    page = get(running.connect())[1]
    assert "<h1>Mine &amp; &lt;b&gt;yours&lt;/b&gt;</h1>" in page
    assert "--colour: #123456;" in page


@pytest.mark.parametrize("running", [{"KUBECHAOS_COLOUR": "red } body { display: none"}], indirect=True)
def test_what_is_no_colour_does_not_reach_the_style_sheet(running: Running) -> None:
    assert "--colour: gray;" in get(running.connect())[1]


def test_a_mounted_config_map_comes_first_and_changes_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "surprises").write_text("only one\n")
    running = Running(IMAGES / "original", KUBECHAOS_SETTINGS=str(tmp_path), KUBECHAOS_SURPRISES="from the environment")
    try:
        connection = running.connect()
        assert facts(connection)["surprise"] == "only one"
        (tmp_path / "surprises").write_text("another\n")
        eventually(lambda: facts(connection)["surprise"], "another surprise", so=lambda seen: seen == "another")
    finally:
        running.close()


def test_head_is_get_without_the_body(running: Running) -> None:
    connection = running.connect()
    connection.request("HEAD", "/healthz")
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Length"], response.read()) == (200, "3", b"")
    assert get(connection, "/healthz")[1] == "ok\n"  # and the connection goes on


def test_what_is_not_here_is_404_and_what_cannot_be_done_is_405(running: Running) -> None:
    connection = running.connect()
    assert get(connection, "/favicon.ico")[0].status == 404
    connection.request("DELETE", "/")
    response = connection.getresponse()
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_a_visitor_who_sends_more_than_is_wanted_still_gets_the_answer(running: Running) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    assert running.say(head, b"x" * 3_000_000).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("nonsense", "status"),
    [
        (b"\x00\xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_nonsense_is_refused_and_does_not_stop_it(running: Running, nonsense: bytes, status: int) -> None:
    assert running.say(nonsense).startswith(f"HTTP/1.1 {status} ".encode())
    assert get(running.connect(), "/healthz")[1] == "ok\n"


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_visitor_who_resets_the_connection_leaves_no_traceback(running: Running, said: bytes) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as visitor:
            visitor.sendall(said)
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    get(running.connect(), "/last")
    running.wait_for_line("GET /last")
    assert not [line for line in running.log if "Traceback" in line]


def test_each_request_is_one_line_of_the_log_without_control_characters(running: Running) -> None:
    running.say(b"\x1b[31mGET\n / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert running.wait_for_line(" 400")[0]
    facts(running.connect())
    assert running.wait_for_line(" 200 connection 1 request 1")[0]
    assert len(running.log) == 4
    assert "\x1b" not in "".join(running.log)


def test_requests_may_come_faster_than_answers_and_old_browsers_get_theirs(running: Running) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.0\r\n\r\n"
    said = running.say(one * 50 + last)
    assert said.count(b"HTTP/1.1 200 OK") == 51
    assert said.endswith(b"</html>\n")


# The program, with more patience for connections that have nothing to do.
PATIENT = "import runpy, web; web.IDLE_SECONDS = 3600.0; runpy.run_path('app.py', run_name='__main__')"


def test_three_hundred_visitors_are_served_at_once() -> None:
    running = Running(IMAGES / "original", program=("-c", PATIENT))
    try:
        visitors = [running.connect() for _ in range(300)]
        seen = {facts(visitor)["connection"] for visitor in visitors}
        assert seen == set(range(1, 301))
        assert {facts(visitor)["request"] for visitor in visitors} == {2}
        for visitor in visitors:
            visitor.close()
    finally:
        running.close()


def test_a_connection_with_nothing_to_do_or_half_a_request_is_closed(running: Running) -> None:
    idle, slow = running.connect(), running.connect()
    assert get(idle)[0].headers["Keep-Alive"] == "timeout=5"
    get(slow)
    slow.sock.sendall(b"GET / HTT")
    assert idle.sock.recv(100) == b""
    assert slow.sock.recv(100).startswith(b"HTTP/1.1 408 ")


def test_that_takes_five_seconds(web: ModuleType) -> None:
    """On a clock of the test's."""

    async def visit() -> bytes:
        async def answer(request: object, connection: object) -> Any:
            return web.Answer(200, "text/plain", "here")

        door = await asyncio.start_server(web.Server(answer).welcome, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*door.sockets[0].getsockname())
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 ")
            leap(4)
        leap(1)
        left: bytes = await reader.read()
        writer.close()
        door.close()
        return left

    assert run_leaping(visit()) == b""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The sample application's web server as a module of this process."""
    monkeypatch.syspath_prepend(IMAGES / "original")
    found = importlib.import_module("web")
    monkeypatch.delitem(sys.modules, "web")
    return found


def test_asked_to_stop_it_closes_idle_connections_refuses_new_ones_and_exits_well(running: Running) -> None:
    idle = running.connect()
    get(idle)
    running.ask_to_stop()
    assert idle.sock.recv(1) == b""
    assert running.exit_code() == 0
    with pytest.raises(ConnectionRefusedError):
        get(running.connect())


@pytest.mark.parametrize("running", [{"KUBECHAOS_DELAY": "1"}], indirect=True)
def test_asked_to_stop_it_finishes_what_it_is_serving(running: Running) -> None:
    connection = running.connect()
    connection.request("GET", "/")
    get(running.connect(), "/healthz")  # answered at once: by then the first request has arrived
    running.ask_to_stop()
    response = connection.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert response.read().endswith(b"</html>\n")
    assert running.exit_code() == 0


@pytest.mark.parametrize("port", ["http", "70000", "-1"])
def test_a_port_that_is_none_is_said_in_a_sentence(port: str) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "app.py"],
        cwd=IMAGES / "original",
        env={**os.environ, "PORT": port},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"PORT is {port!r}: write a number up to 65535, such as 3000 (0: any free one).\n",
    )


def test_a_port_in_use_is_said_in_a_sentence(running: Running) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "app.py"],
        cwd=IMAGES / "original",
        env={**os.environ, "PORT": str(running.port)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"Nothing can listen on port {running.port} here (Address already in use). Choose another with PORT.\n"
    )
