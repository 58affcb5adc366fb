"""Tables: what ``kubectl get`` prints. The columns of each kind are those of a real API server.

Source: pkg/printers/internalversion/printers.go at v1.36, and apimachinery, pkg/util/duration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pocket_cluster.api.objects import Object, metadata, name, parse_time
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors, pod_table
from pocket_cluster.apiserver.schema.field_errors import invalid
from pocket_cluster.apiserver.table_text import age, listed, selector_text

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a"
    " client to request the generation of an appropriate name automatically. Name is primarily intended for creation"
    " idempotence and configuration definition. Cannot be updated."
    " More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)


class Column(NamedTuple):
    """A column; ``priority`` 1 is shown by ``-o wide`` only."""

    name: str
    cell: Callable[[Object, datetime], Any]
    type: str = "string"
    priority: int = 0


def _at(*path: str, default: Any = "") -> Callable[[Object, datetime], Any]:
    def cell(obj: Object, _: datetime) -> Any:
        value: Any = obj
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return default if value is None else value

    return cell


def _name(obj: Object, _: datetime) -> str:
    return name(obj)


def _age(obj: Object, now: datetime) -> str:
    return age(metadata(obj).get("creationTimestamp"), now)


def _count(*path: str) -> Callable[[Object, datetime], int]:
    return lambda obj, now: len(_at(*path, default=())(obj, now))


NAME = Column("Name", _name)
AGE = Column("Age", _age)


def render(
    resource: Resource,
    objects: Sequence[Object],
    version: str = "v1",
    include_object: str = "Metadata",
    with_columns: bool = True,
    list_metadata: Object | None = None,
    now: datetime | None = None,
) -> Object:
    """A Table of the objects, one row each.

    ``version`` is that of the group meta.k8s.io, ``include_object`` what each row carries beside its cells: Metadata,
    Object or None. ``now`` is for ages. Raises StatusError, BadRequest, for rows that carry anything else.
    """
    if include_object not in ("Metadata", "Object", "None"):
        problem = invalid("includeObject", include_object, "must be 'Metadata', 'Object', 'None', or empty")
        raise errors.bad_request(f"Unable to convert to Table as requested: {problem}")
    moment = now or datetime.now(UTC)
    columns = COLUMNS.get(resource.kind, (NAME, Column("Created At", _at("metadata", "creationTimestamp"), "date")))
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata or {},
        "columnDefinitions": [_definition(column) for column in columns] if with_columns else [],
        "rows": [_row(obj, columns, version, include_object, moment) for obj in objects],
    }


def _definition(column: Column) -> Object:
    is_name = column.name == "Name" and column.cell is _name
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if is_name else "",
        "description": NAME_DESCRIPTION if is_name else f"{column.name} of the object.",
        "priority": column.priority,
    }


def _row(obj: Object, columns: Sequence[Column], version: str, include_object: str, now: datetime) -> Object:
    row: Object = {"cells": [column.cell(obj, now) for column in columns]}
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        row["object"] = metadata_only(obj["metadata"], version)
    return row


def metadata_only(metadata: Object, version: str) -> Object:
    """An object of which a client asked for the metadata alone; ``version`` is that of meta.k8s.io."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}


# --- workloads


def _containers(field: str) -> Callable[[Object, datetime], str]:
    def cell(obj: Object, _: datetime) -> str:
        containers = ((obj["spec"].get("template") or {}).get("spec") or {}).get("containers") or []
        return ",".join(container.get(field, "") for container in containers)

    return cell


def _ready_of_wanted(obj: Object, _: datetime) -> str:
    return f"{(obj.get('status') or {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"


def _selector(obj: Object, _: datetime) -> str:
    return selector_text(obj["spec"].get("selector"))


TEMPLATE_COLUMNS = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector, priority=1),
)


def _job_completions(job: Object, _: datetime) -> str:
    spec, done = job["spec"], (job.get("status") or {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(job: Object, moment: datetime) -> str:
    status = job.get("status") or {}
    end = parse_time(status["completionTime"]) if status.get("completionTime") else moment
    return age(status["startTime"], end) if status.get("startTime") else ""


def _job_status(job: Object, _: datetime) -> str:
    conditions = (job.get("status") or {}).get("conditions") or []
    found = {each["type"] for each in conditions if each.get("status") == "True"}
    if metadata(job).get("deletionTimestamp"):
        found.add("Terminating")
    return next((each for each in JOB_STATES if each in found), "Running")


# The first that holds is shown (printJob).
JOB_STATES = ("Complete", "Failed", "Terminating", "Suspended", "FailureTarget", "SuccessCriteriaMet")

# --- services


def _service_selector(obj: Object, _: datetime) -> str:
    pairs = (obj["spec"].get("selector") or {}).items()
    return ",".join(f"{key}={value}" for key, value in sorted(pairs)) or "<none>"


def _cluster_ip(obj: Object, _: datetime) -> str:
    addresses = obj["spec"].get("clusterIPs") or []
    return addresses[0] if addresses else "<none>"


def _external_ip(obj: Object, _: datetime) -> str:
    spec = obj["spec"]
    external = spec.get("externalIPs") or []
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") == "LoadBalancer":
        ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        found = [entry.get("ip") or entry.get("hostname", "") for entry in ingress] + external
        return ",".join(found) or "<pending>"
    return ",".join(external) or "<none>"


def _service_ports(obj: Object, _: datetime) -> str:
    ports = obj["spec"].get("ports") or []
    return ",".join(_service_port(port) for port in ports) or "<none>"


def _service_port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


# --- endpoints


def _endpoints(obj: Object, _: datetime) -> str:
    if not obj.get("subsets"):
        return "<none>"
    found: list[str] = []
    for subset in obj.get("subsets") or []:
        addresses = [address["ip"] for address in subset.get("addresses") or []]
        ports = [port["port"] for port in subset.get("ports") or []]
        found += [f"{address}:{port}" for port in ports for address in addresses] if ports else addresses
    return listed(found, "")


def _slice_ports(obj: Object, _: datetime) -> str:
    ports = obj.get("ports")
    if not ports:
        return "<unset>"
    return listed([str(port["port"]) if port.get("port") else "*" for port in ports], "*")


def _slice_endpoints(obj: Object, _: datetime) -> str:
    return listed([address for each in obj.get("endpoints") or [] for address in each["addresses"][:1]], "<unset>")


# --- nodes


def _node_status(obj: Object, _: datetime) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    ready = next((condition["status"] for condition in conditions if condition["type"] == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    return text + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


def _node_roles(obj: Object, _: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = metadata(obj).get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _node_address(kind: str) -> Callable[[Object, datetime], str]:
    def cell(obj: Object, _: datetime) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or []
        return next((address["address"] for address in addresses if address["type"] == kind), "<none>")

    return cell


def _node_info(field: str) -> Callable[[Object, datetime], str]:
    def cell(obj: Object, _: datetime) -> str:
        info = (obj.get("status") or {}).get("nodeInfo") or {}
        return str(info.get(field) or "<unknown>")

    return cell


# --- events


def _seen(first: bool) -> Callable[[Object, datetime], str]:
    def cell(obj: Object, now: datetime) -> str:
        moment = obj.get("firstTimestamp") if first else obj.get("lastTimestamp")
        last = age(moment or obj.get("eventTime"), now)
        if first or obj.get("count", 0) < 2:
            return last
        return f"{last} (x{obj['count']} over {age(obj.get('firstTimestamp'), now)})"

    return cell


def _event_object(obj: Object, _: datetime) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(obj: Object, _: datetime) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent", "")
    instance = source.get("host") or obj.get("reportingInstance", "")
    return f"{component}, {instance}" if instance else component


def _event_message(obj: Object, _: datetime) -> str:
    return str(obj.get("message", "")).strip()


def _event_count(obj: Object, _: datetime) -> int:
    return int(obj.get("count") or 1)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        NAME,
        Column("Ready", lambda pod, _: pod_table.ready(pod)),
        Column("Status", lambda pod, _: pod_table.status(pod)),
        Column("Restarts", pod_table.restarts),
        AGE,
        Column("IP", lambda pod, _: pod_table.address(pod), priority=1),
        Column("Node", lambda pod, _: pod.get("spec", {}).get("nodeName") or "<none>", priority=1),
        Column(
            "Nominated Node",
            lambda pod, _: (pod.get("status") or {}).get("nominatedNodeName") or "<none>",
            priority=1,
        ),
        Column("Readiness Gates", lambda pod, _: pod_table.readiness_gates(pod), priority=1),
    ),
    "Deployment": (
        NAME,
        Column("Ready", _ready_of_wanted),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        AGE,
        *TEMPLATE_COLUMNS,
    ),
    "ReplicaSet": (
        NAME,
        Column("Desired", _at("spec", "replicas", default=0), "integer"),
        Column("Current", _at("status", "replicas", default=0), "integer"),
        Column("Ready", _at("status", "readyReplicas", default=0), "integer"),
        AGE,
        *TEMPLATE_COLUMNS,
    ),
    "Job": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        AGE,
        *TEMPLATE_COLUMNS,
    ),
    "Service": (
        NAME,
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", _service_selector, priority=1),
    ),
    "EndpointSlice": (
        NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_endpoints),
        AGE,
    ),
    "Endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "ConfigMap": (
        NAME,
        Column("Data", lambda obj, _: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})),
        AGE,
    ),
    "Secret": (NAME, Column("Type", _at("type")), Column("Data", _count("data")), AGE),
    "ServiceAccount": (NAME, AGE),
    "Namespace": (NAME, Column("Status", _at("status", "phase")), AGE),
    "Node": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _node_info("osImage"), priority=1),
        Column("Kernel-Version", _node_info("kernelVersion"), priority=1),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), priority=1),
    ),
    "Event": (
        Column("Last Seen", _seen(first=False)),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _event_object),
        Column("Subobject", _at("involvedObject", "fieldPath"), priority=1),
        Column("Source", _event_source, priority=1),
        Column("Message", _event_message),
        Column("First Seen", _seen(first=True), priority=1),
        Column("Count", _event_count, priority=1),
        Column("Name", _name, priority=1),
    ),
    "Lease": (NAME, Column("Holder", _at("spec", "holderIdentity")), AGE),
}
