"""What the API fills in where an object says nothing: the versioned defaults, and the fields that are always written.

Sources: pkg/apis/core/v1/defaults.go, those of apps, batch and discovery, and the zz_generated.defaults.go beside them,
at Kubernetes v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pocket_cluster.api import quantity, resources
from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.definitions import Schema, definition_for

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
HTTP_GET = {"path": "/", "scheme": "HTTP"}
POD_SPEC = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
}
VOLUMES: dict[str, dict[str, Any]] = {
    "secret": {"defaultMode": 0o644},
    "configMap": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644},
    "projected": {"defaultMode": 0o644},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
DEPLOYMENT = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
JOB = {"completionMode": "NonIndexed", "suspend": False, "manualSelector": False}
MAXIMUM = 2**31 - 1
EXTERNALLY_ACCESSIBLE = ("NodePort", "LoadBalancer")
CLIENT_IP_SECONDS = 10800


def set_defaults(resource: Resource, obj: Object) -> None:
    """Fill in the object in place, as every read and write of the real API does. Doing it twice changes nothing."""
    defaulting = DEFAULTING.get((resource.group, resource.kind))
    if defaulting:
        defaulting(obj)
    write_required_fields(definition_for(resource), obj)


def write_required_fields(schema: Schema, obj: Object) -> None:
    """Add the fields that Go writes even when they are empty, e.g. ``resources: {}`` of a container."""
    for field in schema.always:
        if field.name not in obj:
            zero = field.schema.zero
            obj[field.name] = dict(zero) if isinstance(zero, dict) else zero
    for name, value in obj.items():
        if isinstance(value, dict | list) and name in schema.fields:
            _descend(schema.fields[name].schema, value)


def _descend(schema: Schema, value: Any) -> None:
    if schema.kind == "struct" and isinstance(value, dict):
        write_required_fields(schema, value)
    elif schema.items and schema.items.kind == "struct" and isinstance(value, list):
        for item in value:
            write_required_fields(schema.items, item)
    elif schema.items and schema.items.kind == "struct" and isinstance(value, dict):
        for item in value.values():
            write_required_fields(schema.items, item)


def _fill(obj: Object, values: dict[str, Any]) -> None:
    """Set what is absent or empty: the fields in question cannot mean anything when empty."""
    for key, value in values.items():
        if obj.get(key) in (None, ""):
            obj[key] = dict(value) if isinstance(value, dict) else value


def _part(obj: Object, key: str) -> Object:
    """The nested struct, put there when absent."""
    if not isinstance(obj.get(key), dict):
        obj[key] = {}
    found: Object = obj[key]
    return found


def _items(obj: Object, key: str) -> list[Object]:
    return obj.get(key) or []


def _containers(spec: Object) -> Iterator[Object]:
    for key in CONTAINER_LISTS:
        yield from _items(spec, key)


# --- pods


def _pod(pod: Object) -> None:
    spec = _part(pod, "spec")
    for container in _items(spec, "containers") + _items(spec, "initContainers"):
        _requests_from_limits(_part(container, "resources"))
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        for container in _items(spec, "containers") + _items(spec, "initContainers"):
            for port in _items(container, "ports"):
                port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)
    _pod_spec(spec)


def _requests_from_limits(requirements: Object) -> None:
    limits = requirements.get("limits")
    if limits:
        requirements["requests"] = {**limits, **(requirements.get("requests") or {})}


def _pod_template(owner: Object) -> None:
    template = _part(_part(owner, "spec"), "template")
    _pod_spec(_part(template, "spec"))


def _pod_spec(spec: Object) -> None:
    _fill(spec, POD_SPEC)
    for volume in _items(spec, "volumes"):
        _volume(volume)
    for container in _containers(spec):
        _container(container)
    for name in ("requests", "limits"):
        _resource_list(spec.get("resources"), name)
    if "overhead" in spec:
        _resource_list(spec, "overhead")


def _volume(volume: Object) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for kind, values in VOLUMES.items():
        if isinstance(volume.get(kind), dict):
            for key, value in values.items():
                volume[kind].setdefault(key, value)
    if "image" in volume:
        _fill(volume["image"], {"pullPolicy": _pull_policy(volume["image"].get("reference", ""))})
    sources = [volume.get("downwardAPI") or {}]
    for source in _items(volume.get("projected") or {}, "sources"):
        sources.append(source.get("downwardAPI") or {})
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    for source in sources:
        for item in _items(source, "items"):
            _field_reference(item)
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template:
        _part(template, "spec").setdefault("volumeMode", "Filesystem")


def _container(container: Object) -> None:
    _fill(container, CONTAINER)
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(container.get("image", ""))
    for port in _items(container, "ports"):
        _fill(port, {"protocol": "TCP"})
    for variable in _items(container, "env"):
        source = variable.get("valueFrom") or {}
        _field_reference(source)
        if "fileKeyRef" in source:
            source["fileKeyRef"].setdefault("optional", False)
    for name in ("limits", "requests"):
        _resource_list(container.get("resources"), name)
    for name in PROBES:
        if isinstance(container.get(name), dict):
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict) and "httpGet" in handler:
            _fill(handler["httpGet"], HTTP_GET)


def _pull_policy(image: str) -> str:
    """Always for the tag latest, which no tag and no digest means too (SetDefaults_Container)."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    is_latest = tag == "latest" or (not tag and not at)
    return "Always" if is_latest and image else "IfNotPresent"


def _field_reference(source: Object) -> None:
    if isinstance(source.get("fieldRef"), dict):
        _fill(source["fieldRef"], {"apiVersion": "v1"})


def _resource_list(owner: Object | None, name: str) -> None:
    for key, amount in ((owner or {}).get(name) or {}).items():
        owner[name][key] = quantity.round_up_to_milli(amount)  # type: ignore[index]


def _probe(probe: Object) -> None:
    for key, value in PROBE.items():
        probe[key] = probe.get(key) or value
    if "httpGet" in probe:
        _fill(probe["httpGet"], HTTP_GET)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


# --- workloads


def _deployment(deployment: Object) -> None:
    spec = _part(deployment, "spec")
    for key, value in DEPLOYMENT.items():
        spec.setdefault(key, value)
    strategy = _part(spec, "strategy")
    _fill(strategy, {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        rolling = _part(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _pod_template(deployment)


def _job(job: Object) -> None:
    """SetDefaults_Job; the API reads a Job's own labels from its template where it has none."""
    spec = _part(job, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else MAXIMUM)
    for key, value in JOB.items():
        spec.setdefault(key, value)
    policy = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in _items(policy or {}, "rules"):
        for pattern in _items(rule, "onPodConditions"):
            _fill(pattern, {"status": "True"})
    _pod_template(job)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not _part(job, "metadata").get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _replica_set(replica_set: Object) -> None:
    _part(replica_set, "spec").setdefault("replicas", 1)
    _pod_template(replica_set)


# --- services and what is behind them


def _service(service: Object) -> None:
    spec = _part(service, "spec")
    _fill(spec, {"sessionAffinity": "None", "type": "ClusterIP"})
    _session_affinity(spec)
    for port in _items(spec, "ports"):
        _fill(port, {"protocol": "TCP"})
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if spec["type"] in EXTERNALLY_ACCESSIBLE or (spec["type"] == "ClusterIP" and spec.get("externalIPs")):
        _fill(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] in ("ClusterIP", *EXTERNALLY_ACCESSIBLE):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in _items((service.get("status") or {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _session_affinity(spec: Object) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client_ip.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": CLIENT_IP_SECONDS}}


def _endpoints(endpoints: Object) -> None:
    for subset in _items(endpoints, "subsets"):
        for port in _items(subset, "ports"):
            _fill(port, {"protocol": "TCP"})


def _endpoint_slice(endpoint_slice: Object) -> None:
    for port in _items(endpoint_slice, "ports"):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


# --- the rest


def _namespace(namespace: Object) -> None:
    metadata = _part(namespace, "metadata")
    if metadata.get("name"):
        _part(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]
    _fill(_part(namespace, "status"), {"phase": "Active"})


def _node(node: Object) -> None:
    status = node.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _secret(secret: Object) -> None:
    _fill(secret, {"type": "Opaque"})


DEFAULTING: dict[tuple[str, str], Callable[[Object], None]] = {
    (resources.PODS.group, "Pod"): _pod,
    (resources.DEPLOYMENTS.group, "Deployment"): _deployment,
    (resources.REPLICA_SETS.group, "ReplicaSet"): _replica_set,
    (resources.JOBS.group, "Job"): _job,
    (resources.SERVICES.group, "Service"): _service,
    (resources.ENDPOINTS.group, "Endpoints"): _endpoints,
    (resources.ENDPOINT_SLICES.group, "EndpointSlice"): _endpoint_slice,
    (resources.NAMESPACES.group, "Namespace"): _namespace,
    (resources.NODES.group, "Node"): _node,
    (resources.SECRETS.group, "Secret"): _secret,
}
