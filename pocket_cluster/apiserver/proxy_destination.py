"""Where a request to ``pods/NAME/proxy`` or ``services/NAME/proxy`` goes: pure, objects in, an address out.

Rules: pkg/registry/core/pod/strategy.go and pkg/registry/core/service/storage/storage.go (ResourceLocation).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import NamedTuple

from pocket_cluster.api.objects import Object, namespace
from pocket_cluster.apiserver import errors


class Asked(NamedTuple):
    """``[SCHEME:]NAME[:PORT]`` taken apart; an empty port is for the object to fill in."""

    scheme: str
    name: str
    port: str


class Destination(NamedTuple):
    """An address as the cluster shows it."""

    scheme: str
    host: str
    port: int


def parse_asked(text: str, kind: str) -> Asked:
    """Read ``NAME``, ``NAME:PORT`` or ``SCHEME:NAME:PORT``; BadRequest for anything else."""
    parts = text.split(":")
    scheme, name, port = {1: ["", *parts, ""], 2: ["", *parts], 3: parts}.get(len(parts), ["", "", ""])
    if scheme not in ("", "http", "https") or not name:
        raise errors.bad_request(f'invalid {kind} request "{text}"')
    return Asked(scheme or "http", name, port)


def pod_destination(asked: Asked, pod: Object) -> Destination:
    """The pod's own address; its first declared port when none is asked for."""
    port = asked.port or next(
        (
            str(each["containerPort"])
            for container in pod["spec"]["containers"]
            for each in container.get("ports") or []
        ),
        "443" if asked.scheme == "https" else "80",
    )
    if not _is_port(port):
        raise errors.bad_request(f'invalid pod request "{asked.name}:{asked.port}": a pod\'s port is given by number')
    address = (pod.get("status") or {}).get("podIP") or ""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise errors.bad_request("address not allowed") from None
    return Destination(asked.scheme, address, int(port))


def service_destination(
    asked: Asked, text: str, service: Object, endpoints: Object, find_pod: Callable[[str], Object | None]
) -> Destination:
    """A ready pod of the Service, at random for each request. ``text`` is the request's own name for it."""
    port_name = _port_name(asked, service) if _is_port(asked.port) else asked.port
    subsets = endpoints.get("subsets") or []
    if not subsets:
        raise errors.service_unavailable(f'no endpoints available for service "{asked.name}"')
    for subset in random.sample(subsets, len(subsets)):
        ports = [port["port"] for port in subset.get("ports") or [] if port.get("name", "") == port_name]
        addresses = [each for each in subset.get("addresses") or [] if _is_pods(each, endpoints, find_pod)]
        if ports and addresses:
            return Destination(asked.scheme, random.choice(addresses)["ip"], int(ports[0]))
    raise errors.service_unavailable(f'no endpoints available for service "{text}"')


def _port_name(asked: Asked, service: Object) -> str:
    for port in service["spec"].get("ports") or []:
        if port["port"] == int(asked.port):
            return str(port.get("name", ""))
    raise errors.service_unavailable(f'no service port {asked.port} found for service "{asked.name}"')


def _is_pods(address: Object, endpoints: Object, find_pod: Callable[[str], Object | None]) -> bool:
    """Only addresses that are pods' of the Service's own namespace are reached: the API server is no way elsewhere."""
    target = address.get("targetRef") or {}
    if target.get("kind") != "Pod" or target.get("namespace") != namespace(endpoints):
        return False
    pod = find_pod(target.get("name", ""))
    return pod is not None and (pod.get("status") or {}).get("podIP") == address["ip"]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536
