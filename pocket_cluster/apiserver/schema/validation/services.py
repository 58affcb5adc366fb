"""Services (pkg/apis/core/validation/validation.go, validateService and what it calls)."""

from __future__ import annotations

from typing import Any

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.metadata import (
    validate_labels,
    validate_metadata,
    validate_metadata_update,
)

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
POLICIES = ("Cluster", "Local")
MAXIMUM_AFFINITY_SECONDS = 86400
ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
NOT_EXTERNAL_NAME = "may not be set for ExternalName services"
FIXED = "may not change once set"


def validate_service(service: Object) -> Errors:
    # Names may begin with a digit since 1.36 (RelaxedServiceNameValidation).
    spec = service.get("spec") or {}
    # Addresses are allocated before anything else is looked at.
    early = _addresses(spec, {}) or _single_stack(spec)
    if early:
        return early
    return validate_metadata(service.get("metadata") or {}, True, formats.dns_label) + _service(spec, {})


def validate_service_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    errors += _cluster_ips_update(spec, before)
    errors += _families_update(spec, before)
    is_balanced = spec.get("type") == before.get("type") == "LoadBalancer"
    if is_balanced and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        errors.append(invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), FIXED))
    errors += _load_balancer_class(spec)
    return errors + _service(spec, before)


def validate_service_status_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if ingress and (new.get("spec") or {}).get("type") != "LoadBalancer":
        errors.append(forbidden("status.loadBalancer.ingress", ONLY_BALANCERS.replace("`type`", "`spec.type`")))
    for index, each in enumerate(ingress):
        path = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip"):
            errors += invalid_all(f"{path}.ip", each["ip"], formats.ip_address(each["ip"]))
        if each.get("hostname"):
            errors += invalid_all(f"{path}.hostname", each["hostname"], formats.dns_subdomain(each["hostname"]))
    return errors


def _service(spec: Object, before: Object) -> Errors:
    kind, ports = spec.get("type", ""), spec.get("ports") or []
    errors: Errors = []
    if not ports and not _is_headless(spec) and kind != "ExternalName":
        errors.append(required("spec.ports"))
    errors += _type_rules(spec)
    names: set[str] = set()
    for index, port in enumerate(ports):
        errors += _port(port, len(ports) > 1, names, f"spec.ports[{index}]")
    errors += validate_labels(spec.get("selector"), "spec.selector")
    errors += _affinity(spec)
    errors += _addresses(spec, before)
    errors += _external_ips(spec, before)
    if not kind:
        errors.append(required("spec.type"))
    elif kind not in TYPES:
        errors.append(not_supported("spec.type", kind, TYPES))
    errors += _node_ports(kind, ports)
    errors += _duplicate_ports(ports)
    return errors + _load_balancer(spec, before) + _load_balancer_class(spec) + _traffic_policies(spec)


def _is_headless(spec: Object) -> bool:
    return bool(spec.get("clusterIPs") == ["None"])


def _type_rules(spec: Object) -> Errors:
    kind = spec.get("type", "")
    if kind in ("LoadBalancer", "NodePort") and _is_headless(spec):
        return [invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")]
    if kind != "ExternalName":
        return []
    fields = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
    errors = [forbidden(f"spec.{field}", NOT_EXTERNAL_NAME) for field in fields if spec.get(field)]
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        return [*errors, required("spec.externalName")]
    return errors + invalid_all("spec.externalName", name, formats.dns_subdomain(name))


def port_number_or_name(port: Any, path: str) -> Errors:
    check = formats.port_name(port) if isinstance(port, str) else formats.port_number(port)
    return invalid_all(path, port, check)


def protocol(value: str | None, path: str) -> Errors:
    if not value:
        return [required(path)]
    return [] if value in PROTOCOLS else [not_supported(path, value, PROTOCOLS)]


def _port(port: Object, name_is_required: bool, names: set[str], path: str) -> Errors:
    errors: Errors = []
    name, number = port.get("name", ""), port.get("port", 0)
    if name:
        errors += invalid_all(f"{path}.name", name, formats.dns_label(name))
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
    elif name_is_required:
        errors.append(required(f"{path}.name"))
    errors += invalid_all(f"{path}.port", number, formats.port_number(number))
    errors += protocol(port.get("protocol"), f"{path}.protocol")
    errors += port_number_or_name(port.get("targetPort", 0), f"{path}.targetPort")
    if port.get("appProtocol") is not None:
        errors += invalid_all(f"{path}.appProtocol", port["appProtocol"], formats.label_key(port["appProtocol"]))
    return errors


def _affinity(spec: Object) -> Errors:
    affinity, config = spec.get("sessionAffinity", ""), spec.get("sessionAffinityConfig")
    if not affinity:
        return [required("spec.sessionAffinity")]
    path = "spec.sessionAffinityConfig"
    if affinity == "None":
        text = "must not be set when session affinity is None"
        return [forbidden(path, text)] if config is not None else []
    if affinity != "ClientIP":
        return [not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))]
    seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    if seconds is None:
        return [required(path, "when session affinity type is ClientIP")]
    if 0 < seconds <= MAXIMUM_AFFINITY_SECONDS:
        return []
    text = f"must be greater than 0 and less than {MAXIMUM_AFFINITY_SECONDS}"
    return [invalid(f"{path}.clientIP.timeoutSeconds", seconds, text)]


def _addresses(spec: Object, before: Object) -> Errors:
    """clusterIP, clusterIPs and the families (ValidateServiceClusterIPsRelatedFields)."""
    if spec.get("type") == "ExternalName":
        return []
    path, several = "spec.clusterIPs", spec.get("clusterIPs") or []
    errors: Errors = []
    if spec.get("clusterIP") and not several:
        errors.append(required(path))
    elif spec.get("clusterIP") and several[0] != spec["clusterIP"]:
        errors.append(invalid(path, several, "first value must match `clusterIP`"))
    elif not spec.get("clusterIP") and several:
        errors.append(invalid(path, several, "must be empty when `clusterIP` is not specified"))
    errors += _families(spec)
    broken = _address_errors(several, before.get("clusterIPs") or [], path)
    errors += broken
    if len(several) > 2:
        errors.append(invalid(path, several, "may only hold up to 2 values"))
    return errors if broken else errors + _matching_families(spec, several, path)


def _families(spec: Object) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, family in enumerate(spec.get("ipFamilies") or []):
        if family not in FAMILIES:
            errors.append(not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES))
        if family in seen:
            errors.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in FAMILY_POLICIES:
        errors.append(not_supported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES))
    return errors


def _address_errors(several: list[str], known: list[str], path: str) -> Errors:
    errors: Errors = []
    for index, address in enumerate(several):
        if index == 0 and address == "None":
            if len(several) > 1:
                errors.append(invalid(path, several, "'None' must be the first and only value"))
        elif address not in known:
            errors += invalid_all(f"{path}[{index}]", address, formats.ip_address(address))
    return errors


def _single_stack(spec: Object) -> Errors:
    """This cluster has IPv4 alone (initIPFamilyFields); headless Services without selector may ask for more."""
    if spec.get("type") == "ExternalName" or (spec.get("clusterIP") == "None" and not spec.get("selector")):
        return []
    policy, path = spec.get("ipFamilyPolicy"), "spec.ipFamilyPolicy"
    families = spec.get("ipFamilies") or []
    if policy == "SingleStack" and len(families) == 2:
        text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
        return [invalid(path, policy, text)]
    errors: Errors = []
    if policy == "RequireDualStack":
        errors.append(invalid(path, policy, "this cluster is not configured for dual-stack services"))
    text = "not configured on this cluster"
    return errors + [
        invalid(f"spec.ipFamilies[{index}]", family, text) for index, family in enumerate(families) if family != "IPv4"
    ]


def _matching_families(spec: Object, several: list[str], path: str) -> Errors:
    if _is_headless(spec):
        return []
    found = [formats.parse_address(address) for address in several]
    versions = [f"IPv{address.version}" if address else "" for address in found]
    errors: Errors = []
    if len(several) > 1 and set(versions) != set(FAMILIES):
        errors.append(invalid(path, several, "may specify no more than one IP for each IP family"))
    for index, (family, version) in enumerate(zip(spec.get("ipFamilies") or [], versions, strict=False)):
        if family in FAMILIES and version != family:
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(invalid(f"{path}[{index}]", several[index], text))
    return errors


def _external_ips(spec: Object, before: Object) -> Errors:
    errors: Errors = []
    for index, address in enumerate(spec.get("externalIPs") or []):
        path = f"spec.externalIPs[{index}]"
        is_known = address in (before.get("externalIPs") or [])
        malformed = [] if is_known else invalid_all(path, address, formats.ip_address(address))
        errors += malformed or invalid_all(path, address, formats.endpoint_address(address))
    return errors


def _node_ports(kind: str, ports: list[Object]) -> Errors:
    errors: Errors = []
    if kind == "ClusterIP":
        text = "may not be used when `type` is 'ClusterIP'"
        errors += [
            forbidden(f"spec.ports[{index}].nodePort", text) for index, port in enumerate(ports) if port.get("nodePort")
        ]
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort") and key in seen:
            errors.append(duplicate(f"spec.ports[{index}].nodePort", port["nodePort"]))
        seen.add(key)
    return errors


def _duplicate_ports(ports: list[Object]) -> Errors:
    errors: Errors = []
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            # An internal type has no JSON names: its Go names stand in the message.
            shown = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0}
            errors.append(duplicate(f"spec.ports[{index}]", {**shown, "NodePort": 0}))
        seen.add(key)
    return errors


def _load_balancer(spec: Object, before: Object) -> Errors:
    is_balanced = spec.get("type") == "LoadBalancer"
    errors: Errors = []
    if spec.get("loadBalancerSourceRanges"):
        path = "spec.LoadBalancerSourceRanges"
        if not is_balanced:
            errors.append(forbidden(path, ONLY_BALANCERS))
        known = [each.strip() for each in before.get("loadBalancerSourceRanges") or []]
        for index, value in enumerate(spec["loadBalancerSourceRanges"]):
            if value.strip() not in known:
                errors += invalid_all(f"{path}[{index}]", value.strip(), formats.cidr(value.strip()))
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_balanced:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCERS))
    if spec.get("allocateLoadBalancerNodePorts") is None and is_balanced:
        errors.append(required("allocateLoadBalancerNodePorts"))
    return errors


def _load_balancer_class(spec: Object) -> Errors:
    name, path = spec.get("loadBalancerClass"), "spec.loadBalancerClass"
    if name is None:
        return []
    if spec.get("type") != "LoadBalancer":
        return [forbidden(path, ONLY_BALANCERS)]
    return invalid_all(path, name, formats.label_key(name))


def _traffic_policies(spec: Object) -> Errors:
    fields = ("type", "externalTrafficPolicy", "internalTrafficPolicy")
    kind, external, internal = (spec.get(field) or "" for field in fields)
    is_external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    path = "spec.externalTrafficPolicy"
    errors: Errors = []
    if not is_external and external:
        errors.append(invalid(path, external, "may only be set for externally-accessible services"))
    elif is_external and not external:
        errors.append(required(path))
    elif is_external and external not in POLICIES:
        errors.append(not_supported(path, external, POLICIES))
    errors += _health_check(spec, kind == "LoadBalancer" and external == "Local")
    if not internal and kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        errors.append(required("spec.internalTrafficPolicy"))
    elif internal and internal not in POLICIES:
        errors.append(not_supported("spec.internalTrafficPolicy", internal, POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", distribution, DISTRIBUTIONS))
    return errors


def _health_check(spec: Object, is_needed: bool) -> Errors:
    number, path = spec.get("healthCheckNodePort") or 0, "spec.healthCheckNodePort"
    if is_needed:
        return invalid_all(path, number, formats.port_number(number)) if number else []  # it is allocated
    text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    return [invalid(path, number, text)] if number else []


def _cluster_ips_update(spec: Object, before: Object) -> Errors:
    if "ExternalName" in (spec.get("type"), before.get("type")) or (_is_headless(spec) and _is_headless(before)):
        return []
    new, old = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    if len(new) == len(old):
        changed = [index for index, address in enumerate(old) if address != new[index]]
        return [invalid(f"spec.clusterIPs[{index}]", new, FIXED) for index in changed]
    errors: Errors = []
    if not new:
        errors.append(invalid("spec.clusterIPs[0]", None, "primary clusterIP can not be unset"))
    if old and new and old[0] != new[0]:
        errors.append(invalid("spec.clusterIPs[0]", new, FIXED))
    if len(old) > len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))
    return errors


def _families_update(spec: Object, before: Object) -> Errors:
    if "ExternalName" in (spec.get("type"), before.get("type")) or _is_headless(spec) or _is_headless(before):
        return []
    new, old = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if len(new) == len(old):
        return [invalid("spec.ipFamilies[0]", new, FIXED) for index, each in enumerate(old) if each != new[index]]
    errors: Errors = []
    if len(old) > len(new) and not spec.get("clusterIPs"):
        errors.append(invalid("spec.ipFamilies[0]", new or None, "primary ipFamily can not be unset"))
    if old and new and old[0] != new[0]:
        errors.append(invalid("spec.ipFamilies[0]", spec.get("clusterIPs"), FIXED))
    if len(old) > len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))
    return errors
