"""What a cluster has from its first moment: its namespaces and the Service ``kubernetes``."""

from __future__ import annotations

from pocket_cluster.addresses import API_SERVER_ADDRESS
from pocket_cluster.api.objects import Object, join_key
from pocket_cluster.api.resources import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICES, Resource
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.write_options import WriteOptions
from pocket_cluster.apiserver.writing import Writer

NAMESPACE_NAMES = ("default", "kube-node-lease", "kube-public", "kube-system")
SERVICE_ADDRESS = "10.96.0.1"
OPTIONS = WriteOptions(dry_run=False, strictness="Strict", manager="kube-apiserver", force=False)


async def create_first_objects(writer: Writer, port: int) -> None:
    """Create what is missing; keep the API server's own endpoint at its present port."""
    for name in NAMESPACE_NAMES:
        await _ensure(writer, NAMESPACES, {"metadata": {"name": name}})
    service_spec = {
        "clusterIP": SERVICE_ADDRESS,
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
    }
    labels = {"component": "apiserver", "provider": "kubernetes"}
    await _ensure(writer, SERVICES, {"metadata": _named(labels), "spec": service_spec}, "spec")
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    mirrored = _named({"endpointslice.kubernetes.io/skip-mirror": "true"})
    subsets = [{"addresses": [{"ip": API_SERVER_ADDRESS}], "ports": ports}]
    await _ensure(writer, ENDPOINTS, {"metadata": mirrored, "subsets": subsets}, "subsets")
    endpoint_slice = {
        "metadata": _named({"kubernetes.io/service-name": "kubernetes"}),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [API_SERVER_ADDRESS], "conditions": {"ready": True}}],
        "ports": ports,
    }
    await _ensure(writer, ENDPOINT_SLICES, endpoint_slice, "ports")


def _named(labels: dict[str, str]) -> Object:
    return {"name": "kubernetes", "namespace": "default", "labels": labels}


async def _ensure(writer: Writer, resource: Resource, wanted: Object, refreshed: str = "") -> None:
    """Create the object, or bring one part of it up to date."""
    kind = BY_RESOURCE[resource]
    metadata = wanted["metadata"]
    entry = writer.store.get(kind.collection, join_key(metadata.get("namespace", ""), metadata["name"]))
    head = {"apiVersion": resource.group_version, "kind": resource.kind}
    if entry is None:
        await writer.create_object(kind, {**head, **wanted}, OPTIONS)
    elif refreshed:
        target = Target(kind, metadata.get("namespace"), metadata["name"], None)
        await writer.change(target, lambda current: _refresh(current, wanted, refreshed), OPTIONS)


def _refresh(current: Object, wanted: Object, part: str) -> Object:
    if part == "spec":
        current[part] |= wanted[part]
    else:
        current[part] = wanted[part]
    return current
