"""What stands in a Service's EndpointSlices, and waiting until it is what one expects."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from kubechaos_helpers import kube_proxy, waiting

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

Endpoint = tuple[str, str, str, bool]
NO_VERSION = "<none>"


def selector_of_slices(service: str) -> str:
    """The label selector of a Service's EndpointSlices."""
    return f"kubernetes.io/service-name={service}"


def of(cluster: Cluster, service: str) -> list[Endpoint]:
    """(address, pod, version, ready) of everything in a Service's EndpointSlices, by address."""
    versions = cluster.versions()
    found = [
        (each["addresses"][0], (each.get("targetRef") or {}).get("name", ""), _is_ready(each))
        for each in _in(cluster.objects("endpointslices", selector_of_slices(service)))
    ]
    return [(ip, pod, versions.get(pod, NO_VERSION), ready) for ip, pod, ready in sorted(found)]


def wait_until_served_by(
    cluster: Cluster, service: str, number: int, timeout: float, pods: Collection[str] | None = None
) -> None:
    """Wait until so many ready pods, or just those that are named, are behind a Service, and kube-proxy knows them."""
    api, kind, deadline = cluster.api, cluster.api.kind("endpointslices"), time.monotonic() + timeout

    def serve(slices: waiting.Objects) -> bool:
        ready = [
            (each.get("targetRef") or {}).get("name", "") for each in _in(list(slices.values())) if _is_ready(each)
        ]
        return len(ready) == number and (pods is None or set(ready) == set(pods))

    while True:
        left = deadline - time.monotonic()
        if not waiting.until(api, kind, cluster.namespace, selector_of_slices(service), serve, left):
            ready, wanted = _listed(_ready(cluster, service)), number if pods is None else _listed(pods)
            raise cluster.waited_in_vain(
                f"After {timeout:.0f} s Service {service} has as ready pods behind it {ready}, not {wanted}."
                " Look at what the pods do: kubectl get pods"
            )
        kube_proxy.wait_until_followed(cluster, service)
        if cluster.is_own or len(_ready(cluster, service)) == number:
            return


def _listed(pods: Collection[str]) -> str:
    return f"{len(pods)} ({', '.join(sorted(pods))})" if pods else "0"


def _ready(cluster: Cluster, service: str) -> list[str]:
    return [pod for _, pod, _, is_ready in of(cluster, service) if is_ready]


def _in(slices: list[waiting.Object]) -> list[waiting.Object]:
    return [each for piece in slices for each in piece.get("endpoints") or []]


def _is_ready(endpoint: waiting.Object) -> bool:
    """Unknown counts as ready (discovery/v1, EndpointConditions)."""
    return bool((endpoint.get("conditions") or {}).get("ready", True))
