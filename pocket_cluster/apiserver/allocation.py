"""Cluster IPs and node ports: given to Services, each to one at a time.

Rules: pkg/registry/core/service/storage/alloc.go and service/portallocator, service/ipallocator.
"""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket
from collections.abc import Callable, Iterator
from typing import TypeVar

from pocket_cluster.addresses import LOOPBACK, SERVICE_RANGE
from pocket_cluster.api.objects import Object, name
from pocket_cluster.api.resources import SERVICES
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_RESOURCE, Kind
from pocket_cluster.apiserver.schema.field_errors import FieldError, invalid
from pocket_cluster.apiserver.store import Store

NETWORK = ipaddress.ip_network(SERVICE_RANGE)
NODE_PORTS = range(30000, 32768)
OUT_OF_RANGE = f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
TAKEN = "provided port is already allocated"
TRIES = 1000

T = TypeVar("T")


class Allocator:
    """Knows what is taken from the stored Services and from those that are just being written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reserved_ports: set[int] = set()
        self._reserved_addresses: set[str] = set()

    @contextlib.contextmanager
    def reserve(self, kind: Kind, new: Object, old: Object | None) -> Iterator[None]:
        """Give a Service its addresses and ports, in place, and keep them from others until it is stored."""
        if kind.resource != SERVICES:
            yield
            return
        others = self._others(new)
        addresses = self._addresses(new, others)
        ports = self._ports(new, old, others)
        self._reserved_addresses |= addresses
        self._reserved_ports |= ports
        try:
            yield
        finally:
            self._reserved_addresses -= addresses
            self._reserved_ports -= ports

    def _others(self, service: Object) -> list[Object]:
        entries = self._store.items(BY_RESOURCE[SERVICES].collection)
        uid = service["metadata"].get("uid")
        return [entry.object for _, entry in entries if entry.object["metadata"]["uid"] != uid]

    def _addresses(self, service: Object, others: list[Object]) -> set[str]:
        spec = service["spec"]
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return set()
        taken = self._reserved_addresses | {address for other in others for address in _cluster_ips(other)}
        wanted = spec.get("clusterIP")
        if wanted:
            _check_address(service, wanted, taken)
            return {wanted}
        address = _pick(lambda: str(NETWORK[random.randrange(2, NETWORK.num_addresses - 1)]), taken.__contains__)
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
        return {address}

    def _ports(self, service: Object, old: Object | None, others: list[Object]) -> set[int]:
        spec = service["spec"]
        mine = _node_ports(old) if old else set()
        taken = self._reserved_ports | {port for other in others for port in _node_ports(other)}
        given: set[int] = set()
        for index, port in enumerate(spec.get("ports") or [] if _has_node_ports(spec) else []):
            wanted = port.get("nodePort")
            if wanted:
                _check_port(service, index, wanted, taken - mine)
            else:
                busy = taken | given
                wanted = _pick(lambda: random.choice(NODE_PORTS), lambda number: number in busy or _is_used(number))  # noqa: B023
                port["nodePort"] = wanted
            given.add(wanted)
        if not _has_health_port(spec):
            return given
        if not spec.get("healthCheckNodePort"):
            busy = taken | given
            spec["healthCheckNodePort"] = _pick(lambda: random.choice(NODE_PORTS), lambda number: number in busy)
        return given | {spec["healthCheckNodePort"]}


def _pick(draw: Callable[[], T], is_taken: Callable[[T], bool]) -> T:
    for _ in range(TRIES):
        candidate = draw()
        if not is_taken(candidate):
            return candidate
    raise errors.internal("failed to allocate: the range is full")


def _is_used(port: int) -> bool:
    """Whether some program on this machine listens there: another cluster perhaps."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def _has_node_ports(spec: Object) -> bool:
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def _has_health_port(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _cluster_ips(service: Object) -> list[str]:
    return [address for address in service["spec"].get("clusterIPs") or [] if address != "None"]


def _node_ports(service: Object) -> set[int]:
    spec = service["spec"]
    numbers = [spec.get("healthCheckNodePort"), *(port.get("nodePort") for port in spec.get("ports") or [])]
    return {number for number in numbers if number}


def _check_port(service: Object, index: int, port: int, taken: set[int]) -> None:
    problem = OUT_OF_RANGE if port not in NODE_PORTS else TAKEN if port in taken else ""
    if problem:
        _refuse(service, invalid(f"spec.ports[{index}].nodePort", port, problem))


def _check_address(service: Object, address: str, taken: set[str]) -> None:
    failed = f"failed to allocate IP {address}"
    if ipaddress.ip_address(address) not in NETWORK:
        why = f"{failed}: the provided IP ({address}) is not in the valid range. The range of valid IPs is {NETWORK}"
        _refuse(service, invalid("spec.clusterIPs", [address], why))
    if address in taken:
        why = f"{failed}: provided IP is already allocated"
        _refuse(service, invalid("spec.clusterIPs", [address], why))


def _refuse(service: Object, problem: FieldError) -> None:
    raise errors.invalid(SERVICES, name(service), [problem])
