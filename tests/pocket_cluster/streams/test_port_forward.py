"""kubectl port-forward carries connections to one pod, until that pod is gone."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from conftest import Cluster

# A program that answers with how much it was sent, then sends as much as it was asked for.
COUNTER = """
import socket
server = socket.create_server(("", 4000))
while True:
    with server.accept()[0] as visitor:
        count = 0
        while chunk := visitor.recv(65536):
            count += len(chunk)
        visitor.sendall(str(count).encode() + b" " + b"x" * count)
"""


class Forwarded:
    """A port-forward that runs: what it said so far, and its local ports by the pod's."""

    def __init__(self, process: subprocess.Popen[str], count: int) -> None:
        assert process.stdout
        self.process = process
        self.ports: dict[int, int] = {}
        while len(self.ports) < count:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            found = re.fullmatch(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)\n", line)
            if found:
                self.ports[int(found[2])] = int(found[1])

    def connect(self, port: int = 3000) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=DEADLINE_SECONDS)

    def get(self, port: int = 3000) -> dict[str, Any]:
        with contextlib.closing(self.connect(port)) as connection:
            return ask(connection)


def ask(connection: http.client.HTTPConnection) -> dict[str, Any]:
    connection.request("GET", "/x")
    found: dict[str, Any] = json.load(connection.getresponse())
    return found


@contextlib.contextmanager
def forwarding(command: list[str], count: int = 1) -> Iterator[Forwarded]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Forwarded(process, count)
        finally:
            process.kill()


@pytest.mark.parametrize("target", ["deploy/web", "svc/web", "svc/named"])
def test_a_deployment_or_a_service_stands_for_one_of_its_pods(cluster: Cluster, target: str) -> None:
    remote = 80 if target == "svc/named" else 3000
    with forwarding(cluster.command("port-forward", target, f":{remote}")) as forwarded:
        served = {forwarded.get()["pod"] for _ in range(20)}
    assert len(served) == 1
    assert served < set(cluster.pods())


def test_a_program_sees_visitors_come_from_its_own_machine(cluster: Cluster) -> None:
    with forwarding(cluster.command("port-forward", cluster.pods()[0], ":3000")) as forwarded:
        assert forwarded.get()["client"] == "127.0.0.1"


def test_the_oldest_kubectl_forwards_too(cluster: Cluster, oldest_kubectl: str) -> None:
    command = [oldest_kubectl, *cluster.command("port-forward", "deploy/web", ":3000")[1:]]
    with forwarding(command) as forwarded:
        assert forwarded.get()["pod"] in cluster.pods()


def test_many_connections_live_side_by_side(cluster: Cluster) -> None:
    with forwarding(cluster.command("port-forward", "deploy/web", ":3000")) as forwarded:
        idle = [forwarded.connect() for _ in range(20)]
        first = {ask(connection)["pod"] for connection in idle}
        with ThreadPoolExecutor(8) as pool:
            served = {found["pod"] for found in pool.map(lambda _: forwarded.get(), range(80))}
        assert first == served == {ask(connection)["pod"] for connection in idle}
        for connection in idle:
            connection.close()


def test_much_content_arrives_whole_both_ways(cluster: Cluster) -> None:
    cluster.output("run", "counter", "--image=local/echo:v1", "--port=4000", "--command", "--", "python", "-c", COUNTER)
    cluster.output("wait", "--for=condition=Ready", "pod/counter", "--timeout", "20s")
    with forwarding(cluster.command("port-forward", "counter", ":4000")) as forwarded:
        size = 8_000_000
        connection = eventually(lambda: _connected(forwarded), "the program listens")
        connection.sock.sendall(b"y" * size)
        connection.sock.shutdown(1)  # no more to send, but all to receive
        with connection.sock.makefile("rb") as answer:
            assert answer.read() == f"{size} ".encode() + b"x" * size
        connection.close()


def _connected(forwarded: Forwarded) -> http.client.HTTPConnection:
    connection = forwarded.connect(4000)
    connection.connect()
    return connection


def test_two_ports_lead_to_their_own_programs_and_a_closed_one_ends_it(cluster: Cluster) -> None:
    with forwarding(cluster.command("port-forward", "deploy/web", ":3000", ":9999"), count=2) as forwarded:
        assert forwarded.get()["pod"] in cluster.pods()
        with pytest.raises(ConnectionResetError):
            forwarded.get(9999)
        _, said = forwarded.process.communicate(timeout=DEADLINE_SECONDS)
    assert forwarded.process.returncode == 1
    assert "error forwarding port 9999 to pod " in said
    assert "IPv4: dial tcp4 127.0.0.1:9999: connect: connection refused" in said
    assert said.endswith("error: lost connection to pod\n")


def test_it_is_lost_with_its_pod_though_others_are_there(cluster: Cluster) -> None:
    pod = cluster.pods()[0]
    with forwarding(cluster.command("port-forward", f"pod/{pod}", ":3000")) as forwarded:
        assert forwarded.get()["pod"] == pod
        cluster.output("delete", "pod", pod)
        with pytest.raises(ConnectionResetError):
            forwarded.get()
        _, said = forwarded.process.communicate(timeout=DEADLINE_SECONDS)
    assert "is closed" in said
    assert said.endswith("error: lost connection to pod\n")


def test_a_pod_that_does_not_run_is_refused(cluster: Cluster) -> None:
    done = cluster.kubectl("port-forward", "pod/unscheduled", ":3000")
    why = "error: unable to forward port because pod is not running. Current status=Pending\n"
    assert (done.returncode, done.stderr) == (1, why)
    status, _, body = cluster.request("GET", "pods/unscheduled/portforward")
    assert (status, json.loads(body)["message"]) == (400, "pod unscheduled does not have a host assigned")
    status, _, body = cluster.request("GET", f"pods/{cluster.pods()[0]}/portforward")
    assert (status, json.loads(body)["message"]) == (400, "Upgrade request required")
