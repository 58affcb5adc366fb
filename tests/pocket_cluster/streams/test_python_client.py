"""The official Python client streams as it does with a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from eventually import DEADLINE_SECONDS

kubernetes = pytest.importorskip("kubernetes", reason="The official client is part of the course, not of the cluster.")
stream = pytest.importorskip("kubernetes.stream")

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"

if TYPE_CHECKING:
    from conftest import Cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[Any]:
    client = kubernetes.config.new_client_from_config(str(cluster.home.kubeconfig))
    yield kubernetes.client.CoreV1Api(client)
    client.close()


def execute(api: Any, pod: str, command: list[str], **options: Any) -> Any:
    wanted = {"stdin": False, "stdout": True, "stderr": True, "tty": False, **options}
    return stream.stream(api.connect_get_namespaced_pod_exec, pod, "default", command=command, **wanted)


def test_exec_gives_the_output(api: Any, cluster: Cluster) -> None:
    pod = cluster.pods()[0]
    assert execute(api, pod, ["hostname"]) == f"{pod}\n"


def test_exec_talks_in_steps_and_knows_the_exit_code(api: Any, cluster: Cluster) -> None:
    script = "read line; echo got $line; read line; echo bad $line >&2; read line; exit 5"
    shell = execute(api, cluster.pods()[0], ["sh", "-c", script], stdin=True, _preload_content=False)
    shell.write_stdin("one\n")
    assert shell.readline_stdout(timeout=DEADLINE_SECONDS) == "got one"
    shell.write_stdin("two\n")
    assert shell.readline_stderr(timeout=DEADLINE_SECONDS) == "bad two"
    shell.write_stdin("three\n")  # the client forgets a line that comes together with the end
    shell.run_forever(timeout=DEADLINE_SECONDS)
    assert shell.returncode == 5


def error_channel(api: Any, pod: str, command: list[str], protocol: str) -> dict[str, Any]:
    """What that protocol's error channel says in the end."""
    api.api_client.default_headers["sec-websocket-protocol"] = protocol
    try:
        shell = execute(api, pod, command, _preload_content=False)
        shell.run_forever(timeout=DEADLINE_SECONDS)
    finally:
        del api.api_client.default_headers["sec-websocket-protocol"]
    assert shell.subprotocol == protocol
    found: dict[str, Any] = json.loads(shell.read_channel(3))
    return found


def test_each_protocol_words_the_end_as_a_real_cluster_does(api: Any, cluster: Cluster) -> None:
    pod, exiting = cluster.pods()[0], ["sh", "-c", "exit 3"]
    head = {"status": "Failure", "message": "command terminated with non-zero exit code: "}
    tail = {"reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}
    why = "error executing command [sh -c exit 3], exit code 3"
    assert error_channel(api, pod, exiting, V4) == {**head, "message": head["message"] + why, **tail}
    why = "command terminated with exit code 3"
    assert error_channel(api, pod, exiting, V5) == {"metadata": {}, **head, "message": head["message"] + why, **tail}
    assert error_channel(api, pod, ["true"], V5) == {"metadata": {}, "status": "Success"}
    for protocol, times in ((V4, 1), (V5, 2)):
        found = error_channel(api, pod, ["nosuch"], protocol)
        assert (found["reason"], found["code"]) == ("InternalError", 500)
        assert found["message"].count("Internal error occurred: ") == times


def test_exec_in_a_pod_that_is_not_there_is_an_api_exception(api: Any) -> None:
    with pytest.raises(kubernetes.client.ApiException, match="404"):
        execute(api, "nosuch", ["true"])


def test_a_port_is_forwarded_as_a_socket(api: Any, cluster: Cluster) -> None:
    pod = cluster.pods()[0]
    forwarded = stream.portforward(api.connect_get_namespaced_pod_portforward, pod, "default", ports="3000")
    socket = forwarded.socket(3000)
    socket.settimeout(20)
    socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    answer = b""
    while chunk := socket.recv(65536):
        answer += chunk
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["pod"] == pod
    assert forwarded.error(3000) is None


def test_a_port_where_nobody_listens_has_an_error(api: Any, cluster: Cluster) -> None:
    pod = cluster.pods()[0]
    forwarded = stream.portforward(api.connect_get_namespaced_pod_portforward, pod, "default", ports="9999")
    socket = forwarded.socket(9999)
    socket.settimeout(20)
    assert socket.recv(1) == b""
    assert "dial tcp4 127.0.0.1:9999: connect: connection refused" in forwarded.error(9999)


def test_a_request_through_the_proxy(api: Any, cluster: Cluster) -> None:
    said = api.connect_get_namespaced_service_proxy_with_path("web:3000", "default", path="x")
    assert cluster.pods()[0].rpartition("-")[0] in str(said)
