"""Ways to a Service other than its node port: its cluster IP from inside a pod, the API server, a port-forward.

Each makes its requests one after the other, every one on a connection of its own, and gives Visits as the prober does.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kubechaos_helpers.api import ANYTHING, Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.http_answer import AnswerReader, NotHTTP, recognise_pod
from kubechaos_helpers.probe_job import NO_ANSWER
from kubechaos_helpers.visits import Visit, Visits
from kubechaos_helpers.ways import proxy_path

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

SECONDS = 5.0
# What was asked for; a page that does not know JSON is read for its words.
AS_JSON = {"content-type": "application/json"}
# What runs in the pod: for each request a line with when it began, how long it took, the status and what came.
INSIDE = """
import json, sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    start = time.time()
    try:
        request = urllib.request.Request(sys.argv[1], headers={"Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            status, body = answer.status, answer.read().decode()
    except Exception:
        status, body = 0, ""
    print(json.dumps([start, time.time() - start, status, body]))
"""
Row = tuple[float, float, int, str]


def visit_from_inside(cluster: Cluster, service: str, requests: int) -> Visits:
    """Visit the cluster IP from inside a ready pod behind the Service, by ``kubectl exec``."""
    spec = with_port(cluster, service)["spec"]
    pod = _ready_pod(cluster, service)
    url = f"http://{spec.get('clusterIP')}:{spec['ports'][0]['port']}/"
    cluster.show_command("exec", pod, "--", "python3", "-c", "PROGRAM", url, str(requests))
    said = execute(cluster, pod, ["python3", "-c", INSIDE, url, str(requests)])
    return _visits(cluster, (json.loads(line) for line in said.splitlines()))


def visit_through_api_server(cluster: Cluster, service: str, requests: int) -> Visits:
    """Visit the Service through the API server, which chooses a pod for each request."""
    path = proxy_path(with_port(cluster, service))
    cluster.show_command("get", "--raw", path)

    def visit() -> tuple[int, str]:
        try:
            return 200, str(cluster.api.request("GET", path, {"format": "json"}, accept=ANYTHING))
        except Refused as refusal:
            return refusal.code, ""

    return _visits(cluster, _timed(visit, requests))


VIAS: dict[str, Callable[[Cluster, str, int], Visits]] = {
    "inside": visit_from_inside,
    "api-server": visit_through_api_server,
}


def execute(cluster: Cluster, pod: str, command: list[str], namespace: str = "") -> str:
    """What a command prints that runs in a pod, of the course's namespace if no other; CourseError if it cannot run."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream

    core = cluster.api.core()
    options = {"command": command, "stdout": True, "stderr": True, "stdin": False, "tty": False}
    try:
        place = namespace or cluster.namespace
        said = stream(core.connect_get_namespaced_pod_exec, pod, place, _preload_content=False, **options)
        said.run_forever(timeout=60)
        return str(said.read_all())
    except ApiException as error:
        raise CourseError(
            f"Nothing could be run in pod {pod}: {error.reason}. See: kubectl describe pod {pod}"
        ) from None


class PortForward:
    """A forward to a Service: to one of its pods, chosen when it begins, as ``kubectl port-forward service/…`` does."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        wanted = with_port(cluster, service)["spec"]["ports"][0]["targetPort"]
        self._cluster, self.pod = cluster, _ready_pod(cluster, service)
        self._port = _port_number(cluster.read("pod", self.pod), wanted)
        cluster.show_command("port-forward", f"service/{service}", f"8080:{self._port}")

    def probe(self, requests: int = 20) -> Visits:
        """Requests one after the other, each on a connection of its own."""
        return _visits(self._cluster, _timed(self._visit, requests))

    def _visit(self) -> tuple[int, str]:
        """The status and the body of an answer; (0, "") when nobody answers."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import portforward

        ask = self._cluster.api.core().connect_get_namespaced_pod_portforward
        try:
            connection = portforward(ask, self.pod, self._cluster.namespace, ports=str(self._port)).socket(self._port)
        except ApiException:
            return 0, ""
        try:
            connection.settimeout(SECONDS)
            connection.sendall(b"GET /?format=json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return _read(connection)
        except OSError:
            return 0, ""
        finally:
            connection.close()


def _read(connection: socket.socket) -> tuple[int, str]:
    reader = AnswerReader()
    while data := connection.recv(65536):
        try:
            if answer := reader.feed(data):
                return answer.status, answer.body.decode()
        except NotHTTP:
            break
    return 0, ""


def _ready_pod(cluster: Cluster, service: str) -> str:
    """The pod that kubectl would take: the first ready one by name."""
    found = sorted(pod for _, pod, _, ready in cluster.endpoints(service) if ready)
    if not found:
        raise CourseError(f"No ready pod is behind Service {service}. Look at them: kubectl get pods")
    return found[0]


def with_port(cluster: Cluster, service: str) -> Any:
    """A Service that has a port; CourseError when there is none of that name, or it has none."""
    found = cluster.read("service", service)
    if not found["spec"].get("ports"):
        raise CourseError(f"Service {service} has no port to visit. Give it one in `spec.ports` and apply it again.")
    return found


def _port_number(pod: Any, wanted: int | str) -> int:
    """A Service's targetPort, which may be the name of a container's port."""
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or []]
    named = {port["name"]: port["containerPort"] for port in ports if "name" in port}
    number = named.get(str(wanted), wanted)
    if not str(number).isdecimal():
        known = ", ".join(named) or "none with a name"
        raise CourseError(
            f"Pod {pod['metadata']['name']} has no port named {wanted}; it has: {known}."
            " Set the Service's targetPort to one of them, or to a number."
        )
    return int(number)


def _timed(visit: Callable[[], tuple[int, str]], requests: int) -> Iterator[Row]:
    for _ in range(requests):
        start = time.time()
        status, body = visit()
        yield start, time.time() - start, status, body


def _visits(cluster: Cluster, rows: Iterator[Any]) -> Visits:
    found: list[Visit] = []
    started = 0.0
    for number, (start, seconds, status, body) in enumerate(rows):
        started = started or start
        pod = recognise_pod(AS_JSON, body.encode())
        error = "" if status else NO_ANSWER
        found.append(Visit(start - started, seconds, 0, number, 1, pod, status, len(body), error))
    return Visits(found, cluster.versions(), started=started)
