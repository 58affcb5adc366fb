"""What kube-proxy listens for: from Services and EndpointSlices to addresses and endpoints. Pure.

Rules: pkg/proxy/serviceport.go, endpointslicecache.go and topology.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pocket_cluster.addresses import LOOPBACK
from pocket_cluster.api.objects import Object, key, labels, namespace
from pocket_cluster.kube_proxy.choose import Endpoint

SERVICE_NAME = "kubernetes.io/service-name"
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service: where it listens and who is behind it."""

    service: str  # namespace/name
    port: str  # its name, "" for the only one
    listen: tuple[Address, ...]  # cluster address and node port, as the API shows them
    endpoints: tuple[Endpoint, ...]
    affinity_seconds: float

    @property
    def identity(self) -> tuple[str, str]:
        return self.service, self.port


def service_ports(services: Iterable[Object], slices: Iterable[Object]) -> list[ServicePort]:
    """All TCP ports of all Services that have an address. Other protocols are not carried."""
    by_service: dict[str, list[Object]] = {}
    for piece in slices:
        by_service.setdefault(f"{namespace(piece)}/{labels(piece).get(SERVICE_NAME, '')}", []).append(piece)
    return [
        _service_port(service, port, by_service.get(key(service), []))
        for service in services
        if _has_address(service)
        for port in service["spec"].get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    ]


def _has_address(service: Object) -> bool:
    spec = service["spec"]
    return spec.get("type") != "ExternalName" and spec.get("clusterIP") not in (None, "", "None")


def _service_port(service: Object, port: Object, slices: list[Object]) -> ServicePort:
    spec = service["spec"]
    listen: list[Address] = [(spec["clusterIP"], port["port"])]
    if port.get("nodePort"):
        listen.append((LOOPBACK, port["nodePort"]))
    affinity = 0.0
    if spec.get("sessionAffinity") == "ClientIP":
        affinity = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds", 10800)
    name = port.get("name", "")
    endpoints = tuple(sorted(set(_endpoints(slices, name))))
    return ServicePort(key(service), name, tuple(listen), endpoints, affinity)


def _endpoints(slices: Iterable[Object], port_name: str) -> Iterable[Endpoint]:
    for piece in slices:
        numbers = [port["port"] for port in piece.get("ports") or [] if port.get("name", "") == port_name]
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            ready = conditions.get("ready", True)
            for number in numbers:
                yield Endpoint(
                    endpoint["addresses"][0],
                    number,
                    ready is not False,
                    bool(conditions.get("serving", ready)),
                    bool(conditions.get("terminating")),
                )


def carries_udp(service: Object) -> bool:
    """Whether the Service has a port that this proxy does not carry."""
    return any(port.get("protocol", "TCP") != "TCP" for port in service["spec"].get("ports") or [])
