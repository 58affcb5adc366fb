"""What the API accepts with a warning: it is allowed, but hardly what was meant.

Sources: pkg/api/pod/warnings.go, pkg/api/service/warnings.go and WarningsOnCreate, WarningsOnUpdate of the strategies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.field_errors import go_string
from pocket_cluster.apiserver.schema.validation import formats

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
NAMES_PODS = ("Deployment", "ReplicaSet", "Job")
SURPRISING = "can result in surprising behavior; a DNS label is recommended: "
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def warnings_for(resource: Resource, obj: Object, old: Object | None = None) -> list[str]:
    """The sentences for the Warning headers of a create request, or with ``old`` of an update. Validate first."""
    if resource.kind == "Service":
        return list(_service(obj.get("spec") or {}))
    if resource.kind == "EndpointSlice":
        return list(_endpoint_slice(obj))
    if resource.kind == "Pod":
        # Pods are seldom changed by people.
        return [] if old else [*_name(obj, "the Pod's hostname"), *_pod_spec(obj.get("spec") or {}, "spec")]
    if resource.kind in NAMES_PODS:
        template = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
        if old is None:
            return [*_name(obj, "Pod names and hostnames"), *_pod_spec(template, "spec.template.spec")]
        is_same = obj["metadata"].get("generation") == old["metadata"].get("generation")
        return [] if is_same else list(_pod_spec(template, "spec.template.spec"))
    return []


def _name(obj: Object, used_in: str) -> Iterator[str]:
    problems = formats.dns_label((obj.get("metadata") or {}).get("name", ""))
    if problems:
        yield f"metadata.name: this is used in {used_in}, which {SURPRISING}[{' '.join(problems)}]"


def _containers(spec: Object, path: str) -> list[tuple[str, Object]]:
    return [
        (f"{path}.{kind}[{index}]", container)
        for kind in CONTAINER_LISTS
        for index, container in enumerate(spec.get(kind) or [])
    ]


def _pod_spec(spec: Object, path: str) -> Iterator[str]:
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or []):
        if constraint.get("labelSelector") is None:
            yield _matches_nothing(f"{path}.topologySpreadConstraints[{index}]")
    yield from _twice(spec, "hostAliases", "ip", path)
    yield from _twice(spec, "imagePullSecrets", "name", path)
    containers = _containers(spec, path)
    for place, container in containers:
        yield from _fractions(container.get("resources") or {}, f"{place}.resources")
        yield from _hidden_variables(container.get("env") or [], f"{place}.env")
    yield from _ports(containers)
    yield from _port_names(containers)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _affinity((spec.get("affinity") or {}).get(kind) or {}, f"{path}.affinity.{kind}")


def _matches_nothing(path: str) -> str:
    return f"{path}.labelSelector: a null labelSelector results in matching no pod"


def _twice(spec: Object, field: str, key: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(spec.get(field) or []):
        value = item.get(key, "")
        if value in seen:
            yield f"{path}.{field}[{index}].{key}: duplicate {key} {go_string(value)}"
        seen.add(value)


def _fractions(requirements: Object, path: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        for kind in ("limits", "requests"):
            amount = (requirements.get(kind) or {}).get(name)
            if amount and quantity.parse(amount).denominator != 1:
                text = f"fractional byte value {go_string(amount)} is invalid, must be an integer"
                yield f"{path}.{kind}[{name}]: {text}"


def _hidden_variables(variables: list[Object], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value", "")
        reference = f"$({name})"
        extends_the_first = "valueFrom" not in variable and reference in value and value != reference
        if name in seen and not extends_the_first:
            text = f"hides previous definition of {go_string(name)}, which may be dropped when using apply"
            yield f"{path}[{index}]: {text}"
        seen.add(name)


def _ports(containers: list[tuple[str, Object]]) -> Iterator[str]:
    seen: dict[tuple[Any, Any], list[tuple[str, tuple[Any, Any]]]] = {}
    for place, container in containers:
        for index, port in enumerate(container.get("ports") or []):
            path = f"{place}.ports[{index}]"
            host = (port.get("hostIP", ""), port.get("hostPort", 0))
            known = seen.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for other, its_host in known:
                word = _clash(host, its_host)
                if word:
                    yield f"{path}: {word} port definition with {other}"
            known.append((path, host))


def _clash(host: tuple[Any, Any], other: tuple[Any, Any]) -> str:
    if host == other:
        return "duplicate"
    if not host[1] or not other[1]:
        return "overlapping"
    return "dangerously ambiguous" if host[1] == other[1] and (not host[0] or not other[0]) else ""


def _port_names(containers: list[tuple[str, Object]]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for place, container in containers:
        for index, port in enumerate(container.get("ports") or []):
            name, path = port.get("name", ""), f"{place}.ports[{index}]"
            if name in seen:
                first = seen[name]
                text = f"services and probes that select ports by name will use {first}"
                yield f"{path}: duplicate port name {go_string(name)} with {first}, {text}"
            elif name:
                seen[name] = path


def _affinity(affinity: Object, path: str) -> Iterator[str]:
    for index, term in enumerate(affinity.get(REQUIRED) or []):
        if term.get("labelSelector") is None:
            yield _matches_nothing(f"{path}.{REQUIRED}[{index}]")
    for index, weighted in enumerate(affinity.get(PREFERRED) or []):
        if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
            yield _matches_nothing(f"{path}.{PREFERRED}[{index}].podAffinityTerm")


def _endpoint_slice(endpoint_slice: Object) -> Iterator[str]:
    if endpoint_slice.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"


def _service(spec: Object) -> Iterator[str]:
    is_headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None"
    is_name = spec.get("type") == "ExternalName"
    if is_headless:
        for field in ("loadBalancerIP", "externalIPs"):
            if spec.get(field):
                yield f"spec.{field} is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    if spec.get("externalIPs") and not is_headless and not is_name:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("externalIPs") and is_name:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.get("externalName") and not is_name:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
