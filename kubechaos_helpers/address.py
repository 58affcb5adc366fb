"""Addresses: of a Service on every node, of this notebook in the learner's browser, of this machine."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address, ip_network
from typing import Any

from kubechaos_helpers.errors import CourseError

Object = dict[str, Any]


def node_port(service: Object) -> int:
    """The Service's node port; CourseError when it has none."""
    for port in service["spec"].get("ports") or []:
        if port.get("nodePort"):
            return int(port["nodePort"])
    name, kind = service["metadata"]["name"], service["spec"].get("type")
    raise CourseError(
        f"Service {name} is of type {kind} and has no node port, so it has no address outside the cluster."
        " Set `type: NodePort` in its manifest and apply it."
    )


def notebook_proxy() -> str:
    """The path prefix under which a browser sees this notebook's server, when a hub stands before it; else ``""``."""
    return os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")


def browser_url(url: str) -> str:
    """The address to open in the learner's own browser."""
    prefix = notebook_proxy()
    return f"{prefix}proxy/{url.rpartition(':')[2]}/" if prefix else url


def own_address_towards(address: str) -> str:
    """Which of this machine's addresses a packet to ``address`` would leave from; ``""`` without a route.

    The routing table is asked, nothing is sent: a UDP socket is connected without writing to it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def is_neighbour(address: str) -> bool:
    """Whether this machine has an interface in the pod's network, as a cluster's node has."""
    own = own_address_towards(address)
    return bool(own) and ip_address(own) in ip_network(f"{address}/16", strict=False)
