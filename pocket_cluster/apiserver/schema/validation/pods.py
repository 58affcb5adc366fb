"""Pods and their specs (pkg/apis/core/validation/validation.go, ValidatePodSpec, ValidatePodUpdate and others)."""

from __future__ import annotations

import copy

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
from pocket_cluster.apiserver.schema.validation.containers import validate_containers, validate_init_containers
from pocket_cluster.apiserver.schema.validation.differences import pod_spec_difference
from pocket_cluster.apiserver.schema.validation.metadata import (
    immutable,
    validate_labels,
    validate_metadata,
    validate_metadata_update,
)
from pocket_cluster.apiserver.schema.validation.scheduling import (
    only_added_tolerations,
    validate_affinity,
    validate_spread,
    validate_tolerations,
)
from pocket_cluster.apiserver.schema.validation.security import validate_pod_security
from pocket_cluster.apiserver.schema.validation.volumes import validate_volumes

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
LARGEST_INT32 = 2**31 - 1
MAY_CHANGE = ",".join((
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
))  # fmt: skip


def validate_pod(pod: Object) -> Errors:
    spec = pod.get("spec") or {}
    errors = _metadata_and_spec(pod)
    if spec.get("ephemeralContainers"):
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return errors


def _metadata_and_spec(pod: Object) -> Errors:
    spec = pod.get("spec") or {}
    errors = validate_metadata(pod.get("metadata") or {}, True, formats.dns_subdomain)
    errors += validate_pod_spec(spec, "spec", is_pod=True)
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            image = container.get("image", "")
            if image != image.strip():
                text = "must not have leading or trailing whitespace"
                errors.append(invalid(f"spec.{field}[{index}].image", image, text))
    return errors


def validate_pod_spec(spec: Object, path: str, is_pod: bool = False) -> Errors:
    """The spec of a pod, or of a template (``is_pod`` false), in the real API's order."""
    volumes, errors = validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    errors += validate_containers(spec, volumes, f"{path}.containers")
    errors += validate_init_containers(spec, volumes, f"{path}.initContainers")
    errors += _host_network_ports(spec, is_pod, f"{path}.containers")
    errors += _one_of(spec, "restartPolicy", RESTART_POLICIES, path)
    errors += _one_of(spec, "dnsPolicy", DNS_POLICIES, path)
    errors += validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    errors += validate_pod_security(spec.get("securityContext") or {}, f"{path}.securityContext")
    errors += validate_affinity(spec.get("affinity") or {}, f"{path}.affinity")
    errors += _dns(spec, f"{path}.dnsConfig")
    for index, gate in enumerate(spec.get("readinessGates") or []):
        name = gate.get("conditionType", "")
        errors += invalid_all(f"{path}.readinessGates[{index}].conditionType", name, formats.label_key(name))
    errors += _scheduling_gates(spec.get("schedulingGates") or [], f"{path}.schedulingGates")
    errors += validate_spread(spec.get("topologySpreadConstraints") or [], f"{path}.topologySpreadConstraints")
    errors += _names(spec, path)
    errors += validate_tolerations(spec.get("tolerations") or [], f"{path}.tolerations")
    errors += _host_aliases(spec.get("hostAliases") or [], f"{path}.hostAliases")
    return errors + _priority_and_system(spec, path)


def _one_of(spec: Object, field: str, supported: tuple[str, ...], path: str) -> Errors:
    value = spec.get(field, "")
    if not value:
        return [required(f"{path}.{field}")]
    return [] if value in supported else [not_supported(f"{path}.{field}", value, supported)]


def _host_network_ports(spec: Object, is_pod: bool, path: str) -> Errors:
    errors: Errors = []
    for index, container in enumerate(spec.get("containers") or [] if spec.get("hostNetwork") else []):
        for number, port in enumerate(container.get("ports") or []):
            host, own = port.get("hostPort", 0), port.get("containerPort", 0)
            if (is_pod or host) and host != own:
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid(f"{path}[{index}].ports[{number}].hostPort", host, text))
    return errors


def _dns(spec: Object, path: str) -> Errors:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", text)]
    errors: Errors = []
    servers = (config or {}).get("nameservers") or []
    if len(servers) > 3:
        errors.append(invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        errors += invalid_all(f"{path}.nameservers[{index}]", server, formats.ip_address(server))
    for index, option in enumerate((config or {}).get("options") or []):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))
    return errors


def _scheduling_gates(gates: list[Object], path: str) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        errors += invalid_all(f"{path}[{index}]", name, formats.label_key(name))
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
    return errors


def _names(spec: Object, path: str) -> Errors:
    errors: Errors = []
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            errors += invalid_all(f"{path}.{field}", spec[field], formats.dns_subdomain(spec[field]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= LARGEST_INT32:
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, formats.between(1, LARGEST_INT32)))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            errors += invalid_all(f"{path}.{field}", spec[field], formats.dns_label(spec[field]))
    return errors


def _host_aliases(aliases: list[Object], path: str) -> Errors:
    errors: Errors = []
    for index, alias in enumerate(aliases):
        address = alias.get("ip", "")
        errors += invalid_all(f"{path}[{index}].ip", address, formats.ip_address(address))
        for number, name in enumerate(alias.get("hostnames") or []):
            errors += invalid_all(f"{path}[{index}].hostnames[{number}]", name, formats.dns_subdomain(name))
    return errors


def _priority_and_system(spec: Object, path: str) -> Errors:
    errors: Errors = []
    for field in ("priorityClassName", "runtimeClassName"):
        if spec.get(field):
            errors += invalid_all(f"{path}.{field}", spec[field], formats.dns_subdomain(spec[field]))
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in ("PreemptLowerPriority", "Never"):
        errors.append(not_supported(f"{path}.preemptionPolicy", policy, ("PreemptLowerPriority", "Never")))
    system = spec.get("os")
    if system is not None and not system.get("name"):
        errors.append(required(f"{path}.os.name"))
    elif system is not None and system["name"] not in ("linux", "windows"):
        errors.append(not_supported(f"{path}.os", system["name"], ("linux", "windows")))
    return errors


# --- update


def validate_pod_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    errors = validate_metadata_update(new["metadata"], old["metadata"]) + _metadata_and_spec(new)
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or []) != len(before.get(field) or []):
            return [*errors, forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        errors += _images(spec, field)
    deadline, is_final = _deadline_update(spec, before)
    errors += deadline
    if is_final:
        return errors
    tolerations = [each.get("tolerations") or [] for each in (spec, before)]
    errors += only_added_tolerations(tolerations[0], tolerations[1], "spec.tolerations")
    errors += _only_deleted_gates(spec, before)
    return errors + _nothing_else(spec, before)


def _images(spec: Object, field: str) -> Errors:
    errors: Errors = []
    for index, container in enumerate(spec.get(field) or []):
        image, place = container.get("image", ""), f"spec.{field}[{index}].image"
        if not image:
            errors.append(required(place))
        if image != image.strip():
            errors.append(invalid(place, image, "must not have leading or trailing whitespace"))
    return errors


def _deadline_update(spec: Object, before: Object) -> tuple[Errors, bool]:
    path = "spec.activeDeadlineSeconds"
    new, old = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if new is None:
        text = "must not update from a positive integer to nil value"
        return ([invalid(path, None, text)] if old is not None else []), False
    if not 0 <= new <= LARGEST_INT32:
        return [invalid(path, new, formats.between(0, LARGEST_INT32))], True
    if old is not None and old < new:
        return [invalid(path, new, "must be less than or equal to previous value")], True
    return [], False


def _only_deleted_gates(spec: Object, before: Object) -> Errors:
    known = {gate.get("name") for gate in before.get("schedulingGates") or []}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'",
        )
        for index, gate in enumerate(spec.get("schedulingGates") or [])
        if gate.get("name") not in known
    ]


def _nothing_else(spec: Object, before: Object) -> Errors:
    """What may change is put back; the rest must then be as it was."""
    munged = copy.deepcopy(spec)
    for field in ("containers", "initContainers"):
        for container, known in zip(munged.get(field) or [], before.get(field) or [], strict=True):
            container["image"] = known.get("image", "")
    for field in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        munged.pop(field, None)
        if field in before:
            munged[field] = before[field]
    grace = before.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        munged["terminationGracePeriodSeconds"] = grace
    errors: Errors = []
    if before.get("schedulingGates"):
        errors = _gated_selector(spec, before)
        munged.pop("nodeSelector", None)
        munged |= {"nodeSelector": before["nodeSelector"]} if "nodeSelector" in before else {}
    if munged == before:
        return errors
    text = f"pod updates may not change fields other than {MAY_CHANGE}\n{pod_spec_difference(before, munged)}"
    return [*errors, forbidden("spec", text)]


def _gated_selector(spec: Object, before: Object) -> Errors:
    """A pod that waits behind a gate may be given more labels of nodes, never other ones."""
    new, old = spec.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if old.items() <= new.items():
        return []
    text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
    return [invalid("spec.nodeSelector", new or None, text)]


def validate_pod_status_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    status, before = new.get("status") or {}, old.get("status") or {}
    for index, condition in enumerate(status.get("conditions") or []):
        kind = condition.get("type", "")
        errors += invalid_all(f"status.conditions[{index}].Type", kind, formats.label_key(kind))
    if (status.get("observedGeneration") or 0) < 0:
        text = "must be a non-negative integer"
        errors.append(invalid("status.observedGeneration", status["observedGeneration"], text))
    errors += immutable(status.get("qosClass"), before.get("qosClass"), "status.qosClass")
    errors += _no_revival(status, before, (new.get("spec") or {}).get("restartPolicy", ""))
    for field in ("podIPs", "hostIPs"):
        for index, address in enumerate(status.get(field) or []):
            ip = address.get("ip", "")
            errors += invalid_all(f"status.{field}[{index}]", ip, formats.ip_address(ip))
    return errors


def _no_revival(status: Object, before: Object, policy: str) -> Errors:
    """A container that ended for good stays ended (ValidateContainerStateTransition)."""
    if policy == "Always":
        return []
    ended = {
        each["name"]: (each.get("state") or {}).get("terminated") for each in before.get("containerStatuses") or []
    }
    errors: Errors = []
    for index, each in enumerate(status.get("containerStatuses") or []):
        terminated = ended.get(each.get("name", ""))
        is_final = terminated and not (policy == "OnFailure" and terminated.get("exitCode"))
        if is_final and not (each.get("state") or {}).get("terminated"):
            text = "may not be transitioned to non-terminated state"
            errors.append(forbidden(f"status.containerStatuses[{index}].state", text))
    return errors
