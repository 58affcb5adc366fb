"""The kinds that are served, one row each. To serve another kind, add a row (and its columns, defaults and rules)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.objects import Object, join_key
from pocket_cluster.api.resources import Resource

NAME_AND_NAMESPACE = ("metadata.name", "metadata.namespace")
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is served."""

    resource: Resource
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    # Kinds whose PUT creates what is missing (AllowCreateOnUpdate in pkg/registry/*/*/strategy.go).
    put_creates: bool = False
    verbs: tuple[str, ...] = ALL_VERBS

    @property
    def collection(self) -> str:
        """What the store calls the collection."""
        return f"{self.resource.group or 'core'}/{self.resource.plural}"

    def key(self, namespace: str | None, name: str) -> str:
        return join_key(namespace or "" if self.resource.namespaced else "", name)

    def fields(self) -> tuple[str, ...]:
        """The paths that a field selector may name."""
        return (*NAME_AND_NAMESPACE, *self.selectable_fields)


POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    *(
        f"involvedObject.{field}"
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)

KINDS = (
    Kind(resources.CONFIG_MAPS, "configmap", ("cm",)),
    Kind(resources.ENDPOINTS, "endpoints", ("ep",), put_creates=True),
    Kind(resources.EVENTS, "event", ("ev",), selectable_fields=EVENT_FIELDS, put_creates=True),
    Kind(
        resources.NAMESPACES,
        "namespace",
        ("ns",),
        subresources=("finalize", "status"),
        selectable_fields=("status.phase",),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    ),
    Kind(resources.NODES, "node", ("no",), subresources=("status",), selectable_fields=("spec.unschedulable",)),
    Kind(
        resources.PODS,
        "pod",
        ("po",),
        ("all",),
        subresources=("binding", "eviction", "exec", "log", "portforward", "proxy", "status"),
        selectable_fields=POD_FIELDS,
    ),
    Kind(resources.SECRETS, "secret", selectable_fields=("type",)),
    Kind(resources.SERVICE_ACCOUNTS, "serviceaccount", ("sa",)),
    Kind(
        resources.SERVICES,
        "service",
        ("svc",),
        ("all",),
        subresources=("proxy", "status"),
        selectable_fields=("spec.clusterIP", "spec.type"),
        put_creates=True,
    ),
    Kind(resources.DEPLOYMENTS, "deployment", ("deploy",), ("all",), subresources=("scale", "status")),
    Kind(
        resources.REPLICA_SETS,
        "replicaset",
        ("rs",),
        ("all",),
        subresources=("scale", "status"),
        selectable_fields=("status.replicas",),
    ),
    Kind(
        resources.JOBS,
        "job",
        categories=("all",),
        subresources=("status",),
        selectable_fields=("status.successful",),
    ),
    Kind(resources.ENDPOINT_SLICES, "endpointslice"),
    Kind(resources.LEASES, "lease", put_creates=True),
)

# By API path root and plural, e.g. ("/apis/apps/v1", "deployments").
BY_PATH: Mapping[tuple[str, str], Kind] = {(kind.resource.root, kind.resource.plural): kind for kind in KINDS}
BY_RESOURCE: Mapping[Resource, Kind] = {kind.resource: kind for kind in KINDS}
GROUP_VERSIONS = tuple(dict.fromkeys(kind.resource.group_version for kind in KINDS))


def field_value(obj: Object, path: str) -> str:
    """The value of a selectable field as a field selector compares it: absent is ``""``, booleans are words."""
    if path == "source":
        path = "source.component"
    if path == "status.podIPs":
        return ",".join(entry["ip"] for entry in (obj.get("status") or {}).get("podIPs") or [])
    if path == "status.successful":
        return str((obj.get("status") or {}).get("succeeded", 0))
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if path in ("spec.unschedulable", "spec.hostNetwork", "status.replicas"):
        return str(value or (0 if path == "status.replicas" else False)).lower()
    return "" if value is None else str(value)
