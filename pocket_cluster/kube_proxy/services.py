"""What kube-proxy listens for: from Services and EndpointSlices to addresses and who is behind each. Pure.

Rules: pkg/proxy/serviceport.go, endpointslicecache.go and topology.go. Of the traffic policies only
``internalTrafficPolicy: Local`` can show here: node ports answer on 127.0.0.1 alone, so whoever comes is on this node,
and what comes from the node itself is never kept to local endpoints (pkg/proxy/iptables/proxier.go, ``--src-type
LOCAL``, jumps to the chain for the policy Cluster).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pocket_cluster.addresses import LOOPBACK
from pocket_cluster.api.objects import Object, key, labels, namespace
from pocket_cluster.kube_proxy.choose import Address, Endpoint, usable

SERVICE_NAME = "kubernetes.io/service-name"
AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True)
class Front:
    """One address of one Service port, as the API shows it (node ports: 127.0.0.1), and the endpoints to choose from.

    Without endpoints it ``drops``: there are some in the cluster, but none that the traffic policy allows. A Service
    without any usable endpoint has no fronts: nothing listens, so it refuses.
    """

    address: Address
    service: str  # namespace/name
    port: str  # the port's name, "" for the only one
    endpoints: tuple[Address, ...]
    affinity_seconds: float = 0.0

    @property
    def identity(self) -> tuple[str, str]:
        """What remembers turns and clients: cluster address and node port share it."""
        return self.service, self.port

    @property
    def drops(self) -> bool:
        return not self.endpoints


def fronts(services: Iterable[Object], slices: Iterable[Object], node: str) -> list[Front]:
    """Every address that answers now, of all TCP ports of all Services."""
    by_service: dict[str, list[Object]] = {}
    for piece in slices:
        if piece.get("addressType", "IPv4") == "IPv4":
            by_service.setdefault(f"{namespace(piece)}/{labels(piece).get(SERVICE_NAME, '')}", []).append(piece)
    return [
        front
        for service in services
        if _has_address(service)
        for port in service["spec"].get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
        for front in _fronts_of_port(service, port, by_service.get(key(service), []), node)
    ]


def _has_address(service: Object) -> bool:
    spec = service["spec"]
    return spec.get("type") != "ExternalName" and spec.get("clusterIP") not in (None, "", "None")


def _fronts_of_port(service: Object, port: Object, slices: list[Object], node: str) -> Iterator[Front]:
    spec = service["spec"]
    name = port.get("name", "")
    endpoints = sorted(set(_endpoints(slices, name)))
    everywhere = usable(endpoints)
    if not everywhere:
        return
    is_local = spec.get("internalTrafficPolicy") == "Local"
    inside = usable([each for each in endpoints if each.node == node]) if is_local else everywhere
    yield Front((spec["clusterIP"], port["port"]), key(service), name, inside, _affinity(spec))
    if port.get("nodePort"):
        yield Front((LOOPBACK, port["nodePort"]), key(service), name, everywhere, _affinity(spec))


def _affinity(spec: Object) -> float:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0.0
    settings = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return float(settings.get("timeoutSeconds") or AFFINITY_SECONDS)


def _endpoints(slices: Iterable[Object], port_name: str) -> Iterator[Endpoint]:
    """Endpoints of a port; a condition that is not said means ready, and serving as ready (discovery/v1, types.go)."""
    for piece in slices:
        numbers = [
            port["port"]
            for port in piece.get("ports") or []
            if (port.get("name") or "") == port_name and port.get("protocol", "TCP") == "TCP" and port.get("port")
        ]
        for endpoint in piece.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            ready = conditions.get("ready") is not False
            serving = ready if conditions.get("serving") is None else bool(conditions["serving"])
            terminating = bool(conditions.get("terminating"))
            for number in numbers:
                address = (endpoint["addresses"][0], number)
                yield Endpoint(address, ready, serving, terminating, endpoint.get("nodeName") or "")


def other_protocols(service: Object) -> list[str]:
    """The protocols among the Service's ports that are not carried."""
    found = {port.get("protocol", "TCP") for port in service["spec"].get("ports") or []}
    return sorted(found - {"TCP"})
