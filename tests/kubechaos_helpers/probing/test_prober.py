"""The prober tells what happened to every request, and hides nothing."""

import asyncio
import errno
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS

import kubechaos_helpers
from kubechaos_helpers import resting_ports
from kubechaos_helpers.probe_job import Credentials, Job
from kubechaos_helpers.prober import LocalPorts, Probe, _flush, delay_before, open_socket
from kubechaos_helpers.running_probe import job_for, probe_url
from pocket_cluster import certificates


def outcome(visit):
    return visit.error or visit.pod


def test_a_kept_connection_carries_all_requests_of_its_visitor(web):
    with web.server(web.says(web.ANSWER)) as server:
        visits = probe_url(server.url + "where?a=b", visitors=3, requests=4)
    assert visits.errors == {}
    assert len(visits) == len(server.requests) == 12
    assert {(visit.pod, visit.status, visit.size) for visit in visits} == {("web-1", 200, len(web.PAGE))}
    for visitor in range(3):
        seen = [visit for visit in visits if visit.visitor == visitor]
        assert len({visit.connection for visit in seen}) == 1
        assert [visit.number_on_connection for visit in seen] == [1, 2, 3, 4]
    assert server.requests[0].startswith(b"GET /where?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Connection: keep-alive\r\n" in server.requests[0]


def test_a_fresh_connection_carries_one_request(web):
    with web.server(web.says(web.ANSWER)) as server:
        visits = probe_url(server.url, requests=5, keep_alive=False)
    assert [(visit.connection, visit.number_on_connection) for visit in visits] == [(n, 1) for n in range(1, 6)]
    assert all(b"Connection: close\r\n" in request for request in server.requests)


def test_a_connection_that_the_server_closed_in_between_shows_as_a_new_number(web):
    with web.server(web.closes_after(2)) as server:
        visits = probe_url(server.url, requests=5, pause=0.1)
    assert visits.errors == {}
    assert [(visit.connection, visit.number_on_connection) for visit in visits] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
        (3, 1),
    ]


def test_connection_close_is_honoured(web):
    last = web.OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"
    with web.server(web.says(last)) as server:
        visits = probe_url(server.url, requests=3)
    assert [visit.connection for visit in visits] == [1, 2, 3]


KINDS = {
    "reset before the first byte": ("resets", (), "no answer"),
    "closed before the first byte": ("says_once", (b"",), "no answer"),
    "closed in the head": ("says_once", (b"HTTP/1.1 200",), "cut off"),
    "closed in the body": ("says_once", (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel",), "cut off"),
    "closed between chunks": (
        "says_once",
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",),
        "cut off",
    ),
    "reset in the body": ("resets_in_the_body", None, "cut off"),
    "silent": ("never_answers", None, "timeout"),
    "slow in the body": ("says", (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel",), "timeout"),
    "another protocol": ("says", (b"SSH-2.0-OpenSSH\r\n",), "not HTTP"),
    "500": ("says", (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",), "HTTP 500"),
    "404": ("says", (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",), "HTTP 404"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_error_is_counted_by_its_kind_and_nothing_is_tried_again(web, name):
    server_name, arguments, kind = KINDS[name]
    serve = getattr(web, server_name)
    serve = serve(*arguments) if arguments else serve
    with web.server(serve) as server:
        visits = probe_url(
            server.url, requests=2, keep_alive=False, timeout=0.4 if kind == "timeout" else DEADLINE_SECONDS
        )
    assert visits.errors == {kind: 2}
    assert [visit.connection for visit in visits] == [1, 2]
    assert visits.answered == []
    assert len(server.requests) <= 2


def test_a_refused_connection_is_no_answer():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        visits = probe_url("http://{}:{}".format(*nobody.getsockname()), visitors=2, requests=3)
    assert visits.errors == {"no answer": 6}
    assert visits.reading() == "Nobody answered: 6 visits, 6 times no answer."


def test_a_refused_connection_is_tried_once(monkeypatch):
    tries = []

    class Counted(socket.socket):
        def connect_ex(self, address):
            tries.append(super().connect_ex(address))
            return tries[-1]

        def connect(self, address):
            tries.append("again")
            return super().connect(address)

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(socket, "socket", Counted)
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(open_socket(*nobody.getsockname(), LocalPorts()))
    assert tries[-1] == errno.ECONNREFUSED
    assert tries.count(errno.ECONNREFUSED) == 1
    assert set(tries) <= {errno.EINPROGRESS, errno.ECONNREFUSED}


@pytest.fixture
def no_port_rests(monkeypatch):
    monkeypatch.setattr(resting_ports, "_until", {})


@pytest.mark.usefixtures("no_port_rests")
def test_where_nothing_comes_back_it_is_unreachable_and_the_ports_of_the_attempts_rest(web, monkeypatch):
    with web.full_queue() as url:
        visits = probe_url(url, requests=2, keep_alive=False, timeout=0.3)
    assert visits.errors == {"unreachable": 2}
    assert len(resting_ports.resting()) == 2
    monkeypatch.setattr(resting_ports, "SECONDS", -1)
    resting_ports.rest(resting_ports.resting())
    assert not resting_ports.resting()


def test_the_port_of_a_visitor_who_was_stopped_while_connecting_is_told(capsys):
    probe = Probe(Job("127.0.0.1", 80))
    probe.ports.unheard = [40000]
    asyncio.run(_flush(probe))
    asyncio.run(_flush(probe))
    assert capsys.readouterr().out == '{"visits":[],"unheard":[40000]}\n'


@pytest.mark.usefixtures("no_port_rests")
def test_no_connection_comes_from_a_port_that_rests(web):
    ports = []

    def serve(connection, number, requests):
        if web.hear(connection, requests):
            ports.append(connection.getpeername()[1])
            connection.sendall(web.ANSWER)

    resting_ports.rest(port for port in range(1024, 65536) if port // 2 % 2)
    with web.server(serve) as server:
        assert not probe_url(server.url, requests=20, keep_alive=False).errors
    assert len(ports) == 20
    assert not any(port // 2 % 2 for port in ports)


def test_an_attempt_from_a_port_that_rests_lets_it_rest_anew(monkeypatch):
    ports, begun = LocalPorts(), []

    class RestsAtFirst(socket.socket):
        def connect_ex(self, address):
            outcome = super().connect_ex(address)
            if not begun:
                ports.rest(self)
            begun.append(self.getsockname()[1])
            return outcome

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(socket, "socket", RestsAtFirst)
        with asyncio.run(open_socket(*server.getsockname(), ports)) as connected:
            assert connected.getsockname()[1] == begun[-1] != begun[0]
    assert ports.unheard == [begun[0], begun[0]]


def test_an_unknown_name_is_told():
    visits = probe_url("http://nobody.invalid/", requests=1)
    assert visits.errors == {"name not found": 1}


def test_the_visitor_goes_on_after_an_error_on_a_new_connection(web):
    bad = web.OK + b"Content-Length: 99\r\n\r\nhel"

    def serve(connection, number, requests):
        (web.says_once(bad) if number == 1 else web.says(web.ANSWER))(connection, number, requests)

    with web.server(serve) as server:
        visits = probe_url(server.url, requests=3)
    assert [(outcome(visit), visit.connection) for visit in visits] == [("cut off", 1), ("web-1", 2), ("web-1", 2)]


@pytest.mark.parametrize(
    ("options", "index", "now", "delay"),
    [
        ({"requests": 9}, 5, 3.0, 0.0),
        ({"requests": 9, "rate": 20}, 0, 1.0, 0.5),
        ({"requests": 9, "rate": 20}, 5, 1.0, 0.75),
        ({"requests": 9, "rate": 20}, 5, 9.0, -7.25),
        ({"requests": 9, "pause": 2}, 0, 3.0, 0.0),
        ({"requests": 9, "pause": 2}, 1, 3.0, 2),
        ({"requests": 9, "pause": 2, "rate": 0.1}, 1, 3.0, 8.5),
        ({"requests": 0, "duration": 4, "rate": 0.1}, 1, 3.0, 2.0),
        ({"requests": 0, "duration": 4, "pause": 9}, 1, 3.0, 2.0),
    ],
)
def test_a_visitor_waits_as_the_rate_the_pause_and_the_duration_say(options, index, now, delay):
    """On a clock of the test's: the probe began at 1, the visitor's first turn is at 1.5."""
    assert delay_before(Job("127.0.0.1", 80, **options), index, first=1.5, began=1.0, now=now) == pytest.approx(delay)


def test_with_a_rate_no_visit_comes_before_its_turn_and_after_the_duration_none(web):
    with web.server(web.says(web.ANSWER)) as server:
        visits = probe_url(server.url, requests=0, rate=20, duration=0.5)
    assert 1 <= len(visits) <= 10
    assert all(visit.start > turn / 20 - 0.001 for turn, visit in enumerate(visits))
    assert visits.errors == {}


def test_visitors_whom_a_slow_server_keeps_waiting_do_not_wait_for_each_other(web):
    """Nobody is answered before all have asked."""
    all_have_asked = threading.Barrier(10, timeout=DEADLINE_SECONDS)

    def serve(connection, number, requests):
        web.hear(connection, requests)
        all_have_asked.wait()
        connection.sendall(web.ANSWER)

    with web.server(serve) as server:
        visits = probe_url(server.url, visitors=10, requests=1, timeout=DEADLINE_SECONDS)
    assert visits.errors == {}


def test_https_needs_a_known_authority_and_carries_a_token(web, tmp_path):
    certificates.ensure(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")

    def serve(connection, number, requests):
        with context.wrap_socket(connection, server_side=True) as secured:
            web.says(web.ANSWER)(secured, number, requests)

    with web.server(serve) as server:
        url, headers = server.url.replace("http", "https", 1), {"Authorization": "Bearer secret"}
        assert probe_url(url, requests=1).errors == {"certificate not trusted": 1}
        visits = probe_url(url, requests=2, credentials=Credentials(str(tmp_path / "ca.crt"), headers=headers))
    assert visits.errors == {}
    assert [visit.connection for visit in visits] == [1, 1]
    assert all(b"Authorization: Bearer secret\r\n" in request for request in server.requests)


# --- the program


def start(job: Job) -> subprocess.Popen[str]:
    """The program itself, told what to do."""
    command = [sys.executable, "-W", "error", "-m", "kubechaos_helpers.prober"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(job.line() + "\n")
    process.stdin.flush()
    return process


def lines_after_first_batch(process, end) -> list[dict]:
    """What it writes, when it is ended after its first visits."""
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    end(process)
    lines += [json.loads(line) for line in process.stdout]
    process.wait(DEADLINE_SECONDS)
    process.stdout.close()
    return lines


ENDS = {
    "SIGTERM": lambda process: process.send_signal(signal.SIGTERM),
    "SIGINT": lambda process: process.send_signal(signal.SIGINT),
    "its input closes": lambda process: process.stdin.close(),
}


@pytest.mark.parametrize("how", ENDS)
def test_the_program_ends_at_once_with_what_it_has(web, how):
    before = time.time()
    with web.server(web.says(web.ANSWER)) as server:
        process = start(job_for(server.url, requests=0, duration=3600, rate=100))
        first, *batches, last = lines_after_first_batch(process, ENDS[how])
        process.stdin.close()
    assert before <= first["started"] <= time.time()
    in_flight = len(server.requests) - sum(len(batch["visits"]) for batch in batches)
    assert in_flight in (0, 1)
    assert last == {"done": False}
    assert process.returncode == 0


def test_the_program_needs_only_the_standard_library():
    """Without site-packages, and without the package's own imports."""
    folder = Path(kubechaos_helpers.__file__).parent
    code = (
        "import sys, types; package = types.ModuleType('kubechaos_helpers'); package.__path__ = [sys.argv[1]];"
        "sys.modules['kubechaos_helpers'] = package; import kubechaos_helpers.prober"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, folder], check=True)
