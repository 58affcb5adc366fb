"""What the API does to an object before it validates it: whose status counts, when the generation rises.

Sources: pkg/registry/*/*/strategy.go and apiserver, registry/rest/create.go and update.go, at Kubernetes v1.36.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocket_cluster.api.objects import Object, now
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.definitions import definition_for
from pocket_cluster.apiserver.schema.job_labels import CONTROLLER_UID, generated_labels
from pocket_cluster.apiserver.schema.quality_of_service import quality_of_service

KUBERNETES_FINALIZER = "kubernetes"
# Whose status a create request cannot set; what the status is then.
STATUS_AT_FIRST: dict[str, Object] = {
    "Deployment": {},
    "ReplicaSet": {"replicas": 0},
    "Job": {},
    "Service": {"loadBalancer": {}},
    "Namespace": {"phase": "Active"},
}
GENERATION_FROM_ONE = {"Pod", "Deployment", "ReplicaSet", "Job", "EndpointSlice"}
# System fields that an update may leave out, as it may not change them.
KEPT_WHEN_ABSENT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def prepare_for_create(resource: Resource, obj: Object) -> None:
    """Change the object in place to what a create request can create. Call it after the defaults."""
    metadata = obj.setdefault("metadata", {})
    if resource.kind in GENERATION_FROM_ONE:
        metadata["generation"] = 1
    if resource.kind in STATUS_AT_FIRST:
        obj["status"] = dict(STATUS_AT_FIRST[resource.kind])
    preparing = CREATING.get(resource.kind)
    if preparing:
        preparing(obj)
    _drop_unserved(resource, obj)


def prepare_for_update(resource: Resource, new: Object, old: Object, subresource: str = "") -> None:
    """Change ``new`` in place so that it differs from ``old`` only in what this request may change.

    ``subresource`` is ``""``, ``"status"`` or another part that writes the whole object (``"ephemeralcontainers"``).
    """
    metadata, before = new.setdefault("metadata", {}), old.get("metadata") or {}
    _keep(metadata, before, ("generation",))
    for field in KEPT_WHEN_ABSENT:
        if field not in metadata and field in before:
            metadata[field] = before[field]
    if subresource == "status":
        _prepare_status(resource, new, old)
        return
    if "status" in definition_for(resource).fields:
        _keep(new, old, ("status",))
    preparing = UPDATING.get(resource.kind)
    if preparing:
        preparing(new, old)
    _drop_unserved(resource, new)


def _drop_unserved(resource: Resource, obj: Object) -> None:
    _drop_disabled_fields(obj)
    dropping = DROPPING.get(resource.kind)
    if dropping:
        dropping(obj)


def _drop_disabled_fields(obj: Object) -> None:
    """Fields of pods that belong to features which are off by default (pkg/api/pod/util.go)."""
    spec = obj.get("spec") or {}
    pod_spec = (spec.get("template") or {}).get("spec") or spec
    pod_spec.pop("schedulingGroup", None)
    for container in [*(pod_spec.get("containers") or []), *(pod_spec.get("initContainers") or [])]:
        lifecycle = container.get("lifecycle") or {}
        if lifecycle.pop("stopSignal", None) and not lifecycle:
            container.pop("lifecycle")


def _prepare_status(resource: Resource, new: Object, old: Object) -> None:
    _keep(new, old, ("spec",))
    if resource.kind == "Pod":
        _keep(new["metadata"], old["metadata"], ("ownerReferences",))
        new["metadata"].pop("deletionTimestamp", None)
        _keep(new["metadata"], old["metadata"], ("deletionTimestamp",))
        quality = (old.get("status") or {}).get("qosClass")
        if quality:
            new.setdefault("status", {}).setdefault("qosClass", quality)
    if resource.kind == "Node" and not (old.get("status") or {}).get("config"):
        (new.get("status") or {}).pop("config", None)
    if resource.kind == "Deployment":
        _keep(new["metadata"], old["metadata"], ("labels",))


def _keep(new: Object, old: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)


def _rise(new: Object, old: Object) -> None:
    new["metadata"]["generation"] = int((old.get("metadata") or {}).get("generation") or 0) + 1


# --- create


def _create_pod(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    pod["status"] = {"phase": "Pending", "qosClass": quality_of_service(spec)}
    if spec.get("schedulingGates"):
        gated = "Scheduling is blocked due to non-empty scheduling gates"
        condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": gated}
        pod["status"]["conditions"] = [{**condition, "lastProbeTime": None, "lastTransitionTime": now()}]


def _create_job(job: Object) -> None:
    """Its pods and its selector carry the Job's UID (generateSelector in pkg/registry/batch/job/strategy.go)."""
    spec, metadata = job.setdefault("spec", {}), job["metadata"]
    if spec.get("manualSelector"):
        return
    uid, template = metadata.get("uid", ""), spec.setdefault("template", {}).setdefault("metadata", {})
    template["labels"] = dict(sorted({**generated_labels(metadata), **(template.get("labels") or {})}.items()))
    selector = spec["selector"] = spec.get("selector") or {}
    wanted = {CONTROLLER_UID: uid, **(selector.get("matchLabels") or {})}
    selector["matchLabels"] = dict(sorted(wanted.items()))
    if not metadata.get("labels"):
        metadata["labels"] = dict(template["labels"])


def _create_namespace(namespace: Object) -> None:
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if KUBERNETES_FINALIZER not in finalizers:
        finalizers.append(KUBERNETES_FINALIZER)


def _create_service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") != "ExternalName":
        _set_families(spec)


def _set_families(spec: Object) -> None:
    """This cluster has IPv4 alone; a headless Service without selector names both families (initIPFamilyFields)."""
    is_headless_without_selector = spec.get("clusterIP") == "None" and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = "RequireDualStack" if is_headless_without_selector else "SingleStack"
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv4", "IPv6"] if is_headless_without_selector else ["IPv4"]


# --- create and update


def _drop_topology(endpoint_slice: Object) -> None:
    """The topology of v1beta1 is dropped from requests of v1 (dropTopologyOnV1)."""
    for endpoint in endpoint_slice.get("endpoints") or []:
        endpoint.pop("deprecatedTopology", None)


def _drop_all_but_names_of_secrets(account: Object) -> None:
    """cleanSecretReferences in pkg/registry/core/serviceaccount/strategy.go."""
    if account.get("secrets"):
        account["secrets"] = [{"name": each["name"]} if each.get("name") else {} for each in account["secrets"]]


def _drop_coordinated_election(lease: Object) -> None:
    """It is off by default."""
    for field in ("strategy", "preferredHolder"):
        (lease.get("spec") or {}).pop(field, None)


# --- update


def _update_deployment(new: Object, old: Object) -> None:
    annotations = [each.get("metadata", {}).get("annotations") or {} for each in (new, old)]
    if new.get("spec") != old.get("spec") or annotations[0] != annotations[1]:
        _rise(new, old)


def _update_with_spec(new: Object, old: Object) -> None:
    if new.get("spec") != old.get("spec"):
        _rise(new, old)


def _update_endpoint_slice(new: Object, old: Object) -> None:
    labels = [(each.get("metadata") or {}).get("labels") or {} for each in (new, old)]
    contents = [{key: item for key, item in each.items() if key != "metadata"} for each in (new, old)]
    if labels[0] != labels[1] or contents[0] != contents[1]:
        _rise(new, old)


def _update_namespace(new: Object, old: Object) -> None:
    finalizers = (old.get("spec") or {}).get("finalizers")
    if finalizers:
        new.setdefault("spec", {})["finalizers"] = finalizers
    if new["metadata"].get("name"):
        new["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = new["metadata"]["name"]


def _update_secret(new: Object, old: Object) -> None:
    if not new.get("type") and old.get("type"):
        new["type"] = old["type"]


def _update_service(new: Object, old: Object) -> None:
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    _normalize_cluster_ips(spec, before)
    if _needs_cluster_ip(before) and not _needs_cluster_ip(spec):
        if _same(spec, before, "clusterIP") and _same(spec, before, "clusterIPs"):
            _drop(spec, "clusterIP", "clusterIPs")
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if _same(spec, before, field):
                _drop(spec, field)
    if _needs_node_ports(before) and not _needs_node_ports(spec) and _node_ports(spec) == _node_ports(before):
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    is_balanced, was_balanced = spec.get("type") == "LoadBalancer", before.get("type") == "LoadBalancer"
    if was_balanced and not is_balanced:
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"):
            if _same(spec, before, field):
                _drop(spec, field)
    is_now_internal = _is_externally_accessible(before) and not _is_externally_accessible(spec)
    if is_now_internal and _same(spec, before, "externalTrafficPolicy"):
        _drop(spec, "externalTrafficPolicy")
    if not is_balanced:
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _normalize_cluster_ips(spec: Object, before: Object) -> None:
    """clusterIP is clusterIPs[0]: a client that knows only one of them changes both (NormalizeClusterIPs)."""
    _patch_allocated_values(spec, before)
    primary, had = spec.get("clusterIP", ""), before.get("clusterIP", "")
    if primary == had and not spec.get("clusterIPs"):
        _copy(spec, before, "clusterIPs")
    elif primary != had and not (spec.get("clusterIPs") and spec["clusterIPs"] != before.get("clusterIPs")):
        spec["clusterIPs"] = [primary] if primary else []
    if not spec.get("clusterIPs"):
        _drop(spec, "clusterIPs")
    if _needs_cluster_ip(spec):
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field):
                _copy(spec, before, field)
        _set_families(spec)


def _patch_allocated_values(spec: Object, before: Object) -> None:
    """What was allocated and is not named in the request stays; node ports by the port's name."""
    if not spec.get("clusterIP") and _needs_cluster_ip(spec) and _needs_cluster_ip(before):
        _copy(spec, before, "clusterIP")
    if not (_needs_node_ports(spec) and _needs_node_ports(before)):
        return
    known = {port.get("name", ""): port.get("nodePort") for port in before.get("ports") or []}
    used = {port.get("nodePort") for port in spec.get("ports") or []}
    for port in spec.get("ports") or []:
        number = known.get(port.get("name", ""))
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number


def _copy(spec: Object, before: Object, *fields: str) -> None:
    spec.update({field: before[field] for field in fields if field in before})


def _drop(spec: Object, *fields: str) -> None:
    for field in fields:
        spec.pop(field, None)


def _same(spec: Object, before: Object, field: str) -> bool:
    return bool(spec.get(field) == before.get(field))


def _node_ports(spec: Object) -> list[Any]:
    return [port.get("nodePort", 0) for port in spec.get("ports") or []]


def _needs_cluster_ip(spec: Object) -> bool:
    return spec.get("type") in ("ClusterIP", "NodePort", "LoadBalancer")


def _needs_node_ports(spec: Object) -> bool:
    return spec.get("type") == "NodePort" or (
        spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
    )


def _is_externally_accessible(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer") or bool(
        spec.get("type") == "ClusterIP" and spec.get("externalIPs")
    )


CREATING: dict[str, Callable[[Object], None]] = {
    "Pod": _create_pod,
    "Job": _create_job,
    "Namespace": _create_namespace,
    "Service": _create_service,
}
DROPPING: dict[str, Callable[[Object], None]] = {
    "EndpointSlice": _drop_topology,
    "ServiceAccount": _drop_all_but_names_of_secrets,
    "Lease": _drop_coordinated_election,
}
UPDATING: dict[str, Callable[[Object, Object], None]] = {
    "Pod": _update_with_spec,
    "Deployment": _update_deployment,
    "ReplicaSet": _update_with_spec,
    "Job": _update_with_spec,
    "EndpointSlice": _update_endpoint_slice,
    "Namespace": _update_namespace,
    "Secret": _update_secret,
    "Service": _update_service,
}
