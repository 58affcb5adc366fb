"""By which way visitors come to a Service: the first that answers, named."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Nodes, program

from kubechaos_helpers import Cluster, CourseError, ways
from kubechaos_helpers.address import node_port
from kubechaos_helpers.api import Api
from kubechaos_helpers.course import application
from kubechaos_helpers.probe_job import Credentials
from kubechaos_helpers.ways import Way, find_way, way_here

NOWHERE = "192.0.2.1"  # RFC 5737: for documentation, nobody's


def node(name: str, ready: bool = True, provider: str = "", profile: str = "", **addresses: str) -> Any:
    return {
        "metadata": {"name": name, "labels": {"minikube.k8s.io/name": profile} if profile else {}},
        "spec": {"providerID": provider},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses.items()],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def service(port: int, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 3000, "nodePort": port}]
    ingress = [{"ip": "127.0.0.1"}] if spec.get("type") == "LoadBalancer" else []
    return {
        "metadata": {"name": "web", "namespace": "class"},
        "spec": {"type": "NodePort", "ports": ports, **spec},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def way(api: Nodes, of: dict[str, Any]) -> Way:
    asked: Any = api
    return find_way(asked, of)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def nobody_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks differ in what they say of an address that nobody has."""
    answers = ways._answers
    monkeypatch.setattr(ways, "_answers", lambda url: NOWHERE not in url and answers(url))


def test_what_says_nothing_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as waiting:
        waiting.connect(listener.getsockname())  # nobody accepts, and no more may wait
        assert not ways._answers("http://{}:{}".format(*listener.getsockname()))


def test_a_node_port_on_the_first_ready_node_that_answers(listening: int) -> None:
    nodes = Nodes(
        node("broken", ready=False, InternalIP="127.0.0.1"),
        node("far", InternalIP=NOWHERE),
        node("near", Hostname="near", InternalIP="127.0.0.1"),
    )
    assert str(way(nodes, service(listening))) == (
        f"http://127.0.0.1:{listening}: the node port on near, where kube-proxy chooses a pod for each connection."
    )


def test_a_refusal_is_an_answer_since_a_service_without_pods_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = way(Nodes(node("near", ExternalIP="127.0.0.1", InternalIP=NOWHERE)), service(port))
    assert found.url == f"http://127.0.0.1:{port}"


def test_a_load_balancer_comes_first(listening: int) -> None:
    balanced = service(1, type="LoadBalancer")
    balanced["spec"]["ports"][0]["port"] = listening
    found = way(Nodes(node("near", InternalIP="127.0.0.1")), balanced)
    assert (found.url, found.title) == (f"http://127.0.0.1:{listening}", "the Service's load balancer")
    assert found.splits.startswith("the load balancer chooses a node")


def test_no_program_is_started_where_the_node_port_answers(
    listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "docker", f"touch {tmp_path}/started")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    there = node("class-control-plane", provider="kind://docker/class/class-control-plane", InternalIP="127.0.0.1")
    assert way(Nodes(there), service(listening)).title == "the node port on class-control-plane"
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("class-control-plane", "kind://docker/class/class-control-plane"),
        ("k3d-class-server-0", "k3s://k3d-class-server-0"),
    ],
)
def test_a_node_that_is_a_container_has_its_port_mapped(
    name: str, provider: str, listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "docker", f'[ "$*" = "port {name} 30080/tcp" ] && echo 0.0.0.0:{listening}')
    monkeypatch.setenv("PATH", str(tmp_path))
    found = way(Nodes(node(name, provider=provider, InternalIP=NOWHERE)), service(30080))
    assert (found.url, found.title) == (
        f"http://127.0.0.1:{listening}",
        f"docker's port mapping to the node port on {name}",
    )


@pytest.mark.parametrize(
    ("stays", "title"),
    [("sleep 60", "minikube's tunnel to the node port"), ("exit", "the node port of minikube")],
)
def test_minikube_says_where_a_service_is(
    stays: str, title: str, listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "-p lab service web -n class --url"
    said = f"echo http://127.0.0.1:{listening}; exec >&-; {stays}"
    program(tmp_path, "minikube", f'[ "$*" = "{asked}" ] || exit 1; {said}')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = way(Nodes(node("lab", profile="lab", InternalIP=NOWHERE)), service(30080))
    assert found.url == f"http://127.0.0.1:{listening}"
    assert found.title in (title, "minikube's tunnel to the node port")


@pytest.mark.parametrize(
    "name", ["docker-desktop", "desktop-control-plane", "colima", "orbstack", "lima-rancher-desktop"]
)
def test_a_virtual_machine_has_its_node_ports_here(name: str, listening: int) -> None:
    found = way(Nodes(node(name, InternalIP=NOWHERE)), service(listening))
    assert (found.url, found.title) == (f"http://127.0.0.1:{listening}", f"the node port of {name} on this machine")


@pytest.mark.parametrize("api", [Nodes(node("far", InternalIP=NOWHERE)), Nodes(), Nodes(refuses=True)])
def test_the_api_servers_proxy_is_the_last_resort_with_a_warning(
    api: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    found = way(api, service(30080))
    assert found.url == "https://10.0.0.1:6443/api/v1/namespaces/class/services/web:3000/proxy/"
    assert found.credentials == Credentials("ca.crt", headers={"authorization": "Bearer t"})
    assert found.splits == "the API server chooses a pod for each request, also on one connection"
    assert capsys.readouterr().out == (
        "No address of Service web answers from here: is there a firewall? Visitors come through the API server"
        " instead, which chooses a pod for each request: kube-proxy's choice is not seen that way.\n"
    )


def test_the_embedded_clusters_node_is_not_tried_and_may_have_been_deleted() -> None:
    api: Any = Nodes(node("pocket", InternalIP=NOWHERE))
    assert way_here(api, service(30080)).url == f"http://{NOWHERE}:30080"
    nothing: Any = Nodes()
    with pytest.raises(CourseError, match="The cluster has no node with an address"):
        way_here(nothing, service(30080))


def test_a_service_without_a_node_port_says_how_to_get_one() -> None:
    with pytest.raises(CourseError, match=r"of type ClusterIP and has no node port.*Set `type: NodePort`"):
        node_port({"metadata": {"name": "web"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}})


def test_visitors_come_through_an_api_server_as_through_a_node_port(
    lesson: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ways, "_answers", lambda _url: False)
    behind_a_firewall = Cluster(Api(lesson.api._client), "default", "a cluster", lesson._images)
    visits = behind_a_firewall.probe("kubechaos-svc", visitors=2, requests=30)
    assert "is there a firewall?" in capsys.readouterr().out
    assert visits.errors == {}
    assert {*visits.sequence("version")} == {"original", "custom"}
    assert visits.loyal_visitors() == 0  # each request is balanced, though the connection is kept
    assert application.see(behind_a_firewall, "kubechaos-svc").version in ("original", "custom")
