"""A container's environment variables (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object, annotations_of, labels, name, namespace, uid

REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
FIELD_WITH_KEY = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ConfigurationError(Exception):
    """What the container refers to is not there, in the real kubelet's words."""


# Looks up the ``data`` of a ConfigMap or Secret: (kind, name) to texts, or None when there is none.
Lookup = Callable[[str, str], Mapping[str, str] | None]


def container_environment(
    pod: Object, container: Object, image: Mapping[str, str], services: Iterable[Object], lookup: Lookup, pod_ip: str
) -> dict[str, str]:
    """All variables: the image's, the Services', those of ``envFrom``, those of ``env``. ConfigurationError."""
    offered = service_variables(services) if pod["spec"].get("enableServiceLinks", True) else {}
    offered |= _api_server_variables(services)
    given: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        given |= _whole_source(source, lookup)
    for variable in container.get("env") or []:
        value = _value(variable, {**offered, **given}, pod, container, lookup, pod_ip)
        if value is not None:
            given[variable["name"]] = value
    return {**image, "HOSTNAME": hostname(pod), **offered, **given}


def hostname(pod: Object) -> str:
    """What the pod calls itself: at most 63 characters (pkg/kubelet/kubelet_pods.go, GeneratePodHostNameAndDomain)."""
    return str(pod["spec"].get("hostname") or name(pod)[:63].rstrip("-."))


def _whole_source(source: Object, lookup: Lookup) -> dict[str, str]:
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        reference = source.get(field)
        if reference:
            data = _data(kind, reference, lookup)
            return {source.get("prefix", "") + key: value for key, value in (data or {}).items()}
    return {}


def _data(kind: str, reference: Object, lookup: Lookup) -> Mapping[str, str] | None:
    data = lookup(kind, reference["name"])
    if data is None and not reference.get("optional"):
        raise ConfigurationError(f'{kind.lower()} "{reference["name"]}" not found')
    return data


def _value(
    variable: Object, known: Mapping[str, str], pod: Object, container: Object, lookup: Lookup, pod_ip: str
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value") or "", known)
    if "fieldRef" in source:
        return pod_field(pod, source["fieldRef"]["fieldPath"], pod_ip)
    if "resourceFieldRef" in source:
        return resource_field(pod, container, source["resourceFieldRef"])
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if field in source:
            return _key(kind, source[field], lookup, namespace(pod))
    return None


def _key(kind: str, reference: Object, lookup: Lookup, where: str) -> str | None:
    data = _data(kind, reference, lookup)
    if data is not None and reference["key"] in data:
        return data[reference["key"]]
    if reference.get("optional"):
        return None
    raise ConfigurationError(f"couldn't find key {reference['key']} in {kind} {where}/{reference['name']}")


def expand(text: str, known: Mapping[str, str]) -> str:
    """Put values in place of ``$(NAME)``; unknown ones stay, ``$$`` is one ``$``."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] == "$" else known.get(found[2], found[0])

    return REFERENCE.sub(value, text)


def pod_field(pod: Object, path: str, pod_ip: str) -> str:
    """What a ``fieldRef`` or a downwardAPI file shows (pkg/fieldpath)."""
    keyed = FIELD_WITH_KEY.fullmatch(path)
    if keyed:
        return {"labels": labels(pod), "annotations": annotations_of(pod)}[keyed[1]].get(keyed[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        found = labels(pod) if path == "metadata.labels" else annotations_of(pod)
        return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(found.items()))
    status = pod.get("status") or {}
    plain: dict[str, str] = {
        "metadata.name": name(pod),
        "metadata.namespace": namespace(pod),
        "metadata.uid": uid(pod),
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": status.get("hostIP", "127.0.0.1"),
        "status.hostIPs": status.get("hostIP", "127.0.0.1"),
    }
    return plain[path]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def resource_field(pod: Object, container: Object, reference: Mapping[str, Any]) -> str:
    """What a ``resourceFieldRef`` shows: rounded up to the divisor; without a limit what the node has."""
    wanted = reference.get("containerName")
    for each in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])] if wanted else []:
        container = each if each["name"] == wanted else container
    part, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(part) or {}).get(resource)
    if amount is None and part == "limits":
        amount = {"cpu": str(os.cpu_count()), "memory": str(total_memory())}.get(resource)
    divisor = quantity.parse(str(reference.get("divisor") or "1")) or 1
    return str(math.ceil(quantity.parse(str(amount or 0)) / divisor))


def total_memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# --- Services


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """``WEB_SERVICE_HOST`` and its companions for each Service with an address (pkg/kubelet/envvars)."""
    variables: dict[str, str] = {}
    for service in sorted(services, key=name):
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not address or address == "None" or not ports:
            continue
        prefix = name(service).upper().replace("-", "_")
        variables |= {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
        for port in ports:
            if port.get("name"):
                suffix = port["name"].upper().replace("-", "_")
                variables[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
        variables |= _link_variables(prefix, address, ports)
    return variables


def _link_variables(prefix: str, address: str, ports: list[Object]) -> dict[str, str]:
    """What Docker's links once gave."""
    variables: dict[str, str] = {}
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{address}:{port['port']}"
        if index == 0:
            variables[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol}"
        variables |= {
            stem: url,
            f"{stem}_PROTO": protocol.lower(),
            f"{stem}_PORT": str(port["port"]),
            f"{stem}_ADDR": address,
        }
    return variables


def _api_server_variables(services: Iterable[Object]) -> dict[str, str]:
    """Every pod is told where the API server is."""
    own = [service for service in services if (namespace(service), name(service)) == ("default", "kubernetes")]
    return service_variables(own)
