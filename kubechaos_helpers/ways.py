"""The way by which visitors come to a Service: found as it is on each cluster, and named: each splits differently."""

from __future__ import annotations

import atexit
import http.client
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubechaos_helpers.address import node_port
from kubechaos_helpers.api import Api
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.images import words_of
from kubechaos_helpers.probe_job import Credentials
from kubechaos_helpers.programs import said_by
from kubechaos_helpers.waiting import is_ready

Object = dict[str, Any]
CONNECT_SECONDS = 1.0
PROGRAM_SECONDS = 10.0
MOST_NODES = 3
EACH_CONNECTION = "kube-proxy chooses a pod for each connection"


@dataclass(frozen=True, slots=True)
class Way:
    """An address of a Service, what stands there, and who chooses a pod for what."""

    url: str
    title: str
    splits: str = EACH_CONNECTION
    credentials: Credentials = field(default_factory=Credentials)

    def __str__(self) -> str:
        return f"{self.url}: {self.title}, where {self.splits}."

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """A connection to it that is not opened yet."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme == "https":
            context = self.credentials.context()
            return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=seconds, context=context)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=seconds)

    @property
    def path(self) -> str:
        """Where the application's ``/`` is: with a slash in the end."""
        return urllib.parse.urlsplit(self.url).path or "/"


def way_here(api: Api, service: Object) -> Way:
    """The node port on the embedded cluster's node, which is this machine; CourseError when somebody deleted it."""
    for way in _node_ports(_nodes(api), node_port(service)):
        return way
    raise CourseError("The cluster has no node with an address. Look at: kubectl get nodes -o wide")


def find_way(api: Api, service: Object) -> Way:
    """The first way that answers, even if it refuses: a Service without pods does.

    Tried in this order: a load balancer, the node port on the nodes' addresses, the places where local clusters put it,
    the API server's proxy. CourseError for a Service that has no address outside the cluster.
    """
    answering = (way for way in _ways(api, service) if _answers(way.url))
    return next(answering, None) or _api_server_proxy(api, service)


def _ways(api: Api, service: Object) -> Iterator[Way]:
    """Each is looked for when those before it do not answer: the later ones start programs."""
    if service["spec"].get("type") == "LoadBalancer":
        yield from _load_balancers(service)
    port, nodes = node_port(service), _nodes(api)
    yield from _node_ports(nodes, port)
    yield from _local_ports(nodes, service, port)


def _answers(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    try:
        socket.create_connection((str(parts.hostname), parts.port or 80), CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def _load_balancers(service: Object) -> Iterator[Way]:
    port = service["spec"]["ports"][0]["port"]
    for each in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
        host = each.get("ip") or each.get("hostname")
        if host:
            splits = "the load balancer chooses a node for each connection, then kube-proxy a pod"
            yield Way(f"http://{_in_url(host)}:{port}", "the Service's load balancer", splits)


def _nodes(api: Api) -> list[Object]:
    """The nodes, those that are Ready first; empty where one may not look at nodes."""
    return sorted(api.nodes() or [], key=lambda node: not is_ready(node))


def _node_ports(nodes: list[Object], port: int) -> Iterator[Way]:
    for node in nodes[:MOST_NODES]:
        title = f"the node port on {node['metadata']['name']}"
        for kind in ("ExternalIP", "InternalIP"):
            for each in (node.get("status") or {}).get("addresses") or []:
                if each["type"] == kind:
                    yield Way(f"http://{_in_url(each['address'])}:{port}", title)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# --- clusters on the learner's own machine, whose nodes have no address that it can reach


def _local_ports(nodes: list[Object], service: Object, port: int) -> Iterator[Way]:
    for node in nodes[:MOST_NODES]:
        words = words_of(node)
        if re.search(r"kind://|k3s://k3d-", words):
            yield from _published_port(node["metadata"]["name"], port)
        if profile := re.search(r"minikube\.k8s\.io/name=(\S+)", words):
            yield from _minikube_tunnel(profile[1], service)
        if re.search(r"name=(docker-desktop|desktop-|colima|orbstack|lima-rancher-desktop)", words):
            yield Way(f"http://127.0.0.1:{port}", f"the node port of {node['metadata']['name']} on this machine")


def _published_port(container: str, port: int) -> Iterator[Way]:
    """The port of this machine that is sent to a node's port; ``docker port`` prints ``0.0.0.0:8080``."""
    for program in filter(shutil.which, ("docker", "podman")):
        said = said_by([program, "port", container, f"{port}/tcp"], PROGRAM_SECONDS)
        if found := re.search(r":(\d+)\s*$", said, re.MULTILINE):
            yield Way(f"http://127.0.0.1:{found[1]}", f"{program}'s port mapping to the node port on {container}")


def _minikube_tunnel(profile: str, service: Object) -> Iterator[Way]:
    """What ``minikube service --url`` prints. Where it tunnels it goes on running, and is ended with this notebook."""
    metadata = service["metadata"]
    words = ["service", metadata["name"], "-n", metadata["namespace"], "--url"]
    try:
        process = subprocess.Popen(
            ["minikube", "-p", profile, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return
    atexit.register(process.kill)
    patience = threading.Timer(PROGRAM_SECONDS, process.kill)
    patience.start()
    assert process.stdout is not None
    url = next((line.strip() for line in process.stdout if line.startswith("http")), "")
    patience.cancel()
    if url:
        title = "minikube's tunnel to the node port" if process.poll() is None else "the node port of minikube"
        yield Way(url, title)


# --- the last resort


def proxy_path(service: Object) -> str:
    """Where the API server serves a Service's ``/``."""
    metadata, port = service["metadata"], service["spec"]["ports"][0]["port"]
    return f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}:{port}/proxy/"


def _api_server_proxy(api: Api, service: Object) -> Way:
    splits = "the API server chooses a pod for each request, also on one connection"
    print(
        f"No address of Service {service['metadata']['name']} answers from here: is there a firewall? Visitors come"
        " through the API server instead, which chooses a pod for each request: kube-proxy's choice is not seen that"
        " way."
    )
    return Way(f"{api.server}{proxy_path(service)}", "the API server's proxy", splits, api.credentials())
