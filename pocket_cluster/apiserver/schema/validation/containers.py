"""Containers: ports, environment, mounts, probes, resources (pkg/apis/core/validation/validation.go)."""

from __future__ import annotations

from collections.abc import Mapping

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    invalid_all,
    not_found,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import environment, formats, probes
from pocket_cluster.apiserver.schema.validation.amounts import validate_resources
from pocket_cluster.apiserver.schema.validation.paths import descending_path
from pocket_cluster.apiserver.schema.validation.security import validate_container_security
from pocket_cluster.apiserver.schema.validation.services import protocol

Volumes = Mapping[str, Object]
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
PROBED = ("livenessProbe", "readinessProbe", "startupProbe")
NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
READ_ONLY = ("Disabled", "Enabled", "IfPossible")
RESIZED = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")


def validate_containers(spec: Object, volumes: Volumes, path: str) -> Errors:
    """The regular containers."""
    containers = spec.get("containers") or []
    if not containers:
        return [required(path)]
    errors: Errors = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        place = f"{path}[{index}]"
        errors += validate_common(container, volumes, spec.get("restartPolicy", ""), place)
        if container.get("name", "") in names:
            errors.append(duplicate(f"{place}.name", container.get("name", "")))
        names.add(container.get("name", ""))
        errors += _lifecycle_and_probes(container, spec, place)
        errors += _restart_policy(container, place)
    return errors + host_port_conflicts(containers, path)


def validate_init_containers(spec: Object, volumes: Volumes, path: str) -> Errors:
    names = {container.get("name", "") for container in spec.get("containers") or []}
    errors: Errors = []
    for index, container in enumerate(spec.get("initContainers") or []):
        place, name = f"{path}[{index}]", container.get("name", "")
        errors += validate_common(container, volumes, spec.get("restartPolicy", ""), place)
        errors += _restart_policy(container, place)
        if name in names:
            errors.append(duplicate(f"{place}.name", name))
        names.add(name)
        errors += host_port_conflicts([container], path)
        if container.get("restartPolicy") == "Always":
            errors += _lifecycle_and_probes(container, spec, place)
        else:
            fields = [field for field in ("lifecycle", *PROBED) if container.get(field) is not None]
            errors += [forbidden(f"{place}.{field}", NOT_FOR_INIT) for field in fields]
    return errors


def validate_common(container: Object, volumes: Volumes, restart_policy: str, path: str) -> Errors:
    """What holds for every kind of container."""
    name = container.get("name", "")
    errors = invalid_all(f"{path}.name", name, formats.dns_label(name)) if name else [required(f"{path}.name")]
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    errors += _one_of(container, "terminationMessagePolicy", MESSAGE_POLICIES, path)
    errors += _ports(container.get("ports") or [], f"{path}.ports")
    errors += environment.validate_environment(container.get("env") or [], f"{path}.env")
    errors += environment.validate_environment_from(container.get("envFrom") or [], f"{path}.envFrom")
    errors += _mounts(container, volumes, f"{path}.volumeMounts")
    errors += _devices(container, volumes, f"{path}.volumeDevices")
    errors += _one_of(container, "imagePullPolicy", PULL_POLICIES, path)
    errors += validate_resources(container.get("resources") or {}, f"{path}.resources")
    errors += _resize_policy(container.get("resizePolicy") or [], restart_policy, f"{path}.resizePolicy")
    return errors + validate_container_security(container.get("securityContext") or {}, f"{path}.securityContext")


def _one_of(container: Object, field: str, supported: tuple[str, ...], path: str) -> Errors:
    value = container.get(field, "")
    if not value:
        return [required(f"{path}.{field}")]
    return [] if value in supported else [not_supported(f"{path}.{field}", value, supported)]


def _lifecycle_and_probes(container: Object, spec: Object, path: str) -> Errors:
    grace = spec.get("terminationGracePeriodSeconds")
    errors = probes.validate_lifecycle(container.get("lifecycle") or {}, grace, f"{path}.lifecycle")
    for kind in PROBED:
        if container.get(kind) is not None:
            errors += probes.validate_probe(container[kind], kind, grace, f"{path}.{kind}")
    return errors


def _restart_policy(container: Object, path: str) -> Errors:
    policy = container.get("restartPolicy")
    if policy is None:
        if container.get("restartPolicyRules"):
            return [required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")]
        return []
    return [] if policy in RESTART_POLICIES else [not_supported(f"{path}.restartPolicy", policy, RESTART_POLICIES)]


def _ports(ports: list[Object], path: str) -> Errors:
    errors: Errors = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        place, name, number = f"{path}[{index}]", port.get("name", ""), port.get("containerPort", 0)
        malformed = invalid_all(f"{place}.name", name, formats.port_name(name)) if name else []
        errors += malformed
        if name and not malformed and name in names:
            errors.append(duplicate(f"{place}.name", name))
        names.add(name)
        if number:
            errors += invalid_all(f"{place}.containerPort", number, formats.port_number(number))
        else:
            errors.append(required(f"{place}.containerPort"))
        if port.get("hostPort"):
            errors += invalid_all(f"{place}.hostPort", port["hostPort"], formats.port_number(port["hostPort"]))
        errors += protocol(port.get("protocol"), f"{place}.protocol")
    return errors


def host_port_conflicts(containers: list[Object], path: str) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or []):
            if port.get("hostPort"):
                key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
                if key in seen:
                    errors.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
                seen.add(key)
    return errors


def _mounts(container: Object, volumes: Volumes, path: str) -> Errors:
    devices = {each.get("name", ""): each.get("devicePath", "") for each in container.get("volumeDevices") or []}
    errors: Errors = []
    taken: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        place, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(required(f"{place}.name"))
        if name not in volumes:
            errors.append(not_found(f"{place}.name", name))
        if not target:
            errors.append(required(f"{place}.mountPath"))
        if target in taken:
            errors.append(invalid(f"{place}.mountPath", target, "must be unique"))
        taken.add(target)
        if name in devices:
            errors.append(invalid(f"{place}.name", name, "must not already exist in volumeDevices"))
        if target in devices.values():
            text = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{place}.mountPath", target, text))
        errors += _mount_options(mount, place, path)
    return errors


def _mount_options(mount: Object, place: str, path: str) -> Errors:
    """The real API leaves the index out of the paths of these fields."""
    errors: Errors = []
    if mount.get("subPath"):
        errors += descending_path(mount["subPath"], f"{path}.subPath")
    if mount.get("subPathExpr"):
        if mount.get("subPath"):
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{place}.subPathExpr", mount["subPathExpr"], text))
        errors += descending_path(mount["subPathExpr"], f"{path}.subPathExpr")
    propagation = mount.get("mountPropagation")
    if propagation is not None and propagation not in PROPAGATIONS:
        errors.append(not_supported(f"{path}.mountPropagation", propagation, PROPAGATIONS))
    if propagation == "Bidirectional":
        text = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(f"{path}.mountPropagation", text))
    return errors + _recursive_read_only(mount, f"{path}.recursiveReadOnly")


def _recursive_read_only(mount: Object, path: str) -> Errors:
    wanted = mount.get("recursiveReadOnly")
    if wanted is None or wanted == "Disabled":
        return []
    if wanted not in READ_ONLY:
        return [not_supported(path, wanted, READ_ONLY)]
    errors: Errors = []
    if not mount.get("readOnly"):
        errors.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        errors.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))
    return errors


def _resize_policy(policies: list[Object], pod_policy: str, path: str) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        for value, supported in ((name, RESIZED), (restart, RESIZE_POLICIES)):
            if not value:
                errors.append(required(path))
            elif value not in supported:
                errors.append(not_supported(path, value, supported))
        if pod_policy == "Never" and restart != "NotRequired":
            errors.append(invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    return errors


def _devices(container: Object, volumes: Volumes, path: str) -> Errors:
    errors: Errors = []
    for index, device in enumerate(container.get("volumeDevices") or []):
        place, name, target = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        if not name:
            errors.append(required(f"{place}.name"))
        if name in volumes and "persistentVolumeClaim" not in volumes[name] and "ephemeral" not in volumes[name]:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{place}.name", name, text))
        if name not in volumes:
            errors.append(not_found(f"{place}.name", name))
        if not target:
            errors.append(required(f"{place}.devicePath"))
    return errors
