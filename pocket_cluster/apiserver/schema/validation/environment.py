"""Environment variables of containers, and what they may take their values from."""

from __future__ import annotations

import re

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import Errors, invalid, invalid_all, not_supported, required
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.paths import no_backsteps

FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
KNOWN_FIELDS = (*FIELDS, "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName",
                "status.phase")  # fmt: skip
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
HUGE_PAGES = ("requests.hugepages-", "limits.hugepages-")
SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
SOURCES = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
ONLY_ONE = "may not have more than one field specified at a time"


def validate_environment(variables: list[Object], path: str) -> Errors:
    errors: Errors = []
    for index, variable in enumerate(variables):
        place, name = f"{path}[{index}]", variable.get("name", "")
        if name:
            errors += invalid_all(f"{place}.name", name, formats.environment_name(name))
        else:
            errors.append(required(f"{place}.name"))
        if variable.get("valueFrom") is not None:
            errors += _source(variable, f"{place}.valueFrom")
    return errors


def _source(variable: Object, path: str) -> Errors:
    source = variable["valueFrom"]
    errors: Errors = []
    if "fieldRef" in source:
        errors += field_reference(source["fieldRef"], FIELDS, f"{path}.fieldRef")
    if "resourceFieldRef" in source:
        errors += resource_reference(source["resourceFieldRef"], False, f"{path}.resourceFieldRef")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            errors += _key_reference(source[kind], f"{path}.{kind}")
    if "fileKeyRef" in source:
        errors += _file_reference(source["fileKeyRef"], f"{path}.fileKeyRef")
    if not source:
        errors.append(invalid(path, "", SOURCES))
    elif variable.get("value"):
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(source) > 1:
        errors.append(invalid(path, "", ONLY_ONE))
    return errors


def field_reference(reference: Object, fields: tuple[str, ...], path: str) -> Errors:
    """A field of the pod itself (validateObjectFieldSelector)."""
    wanted = reference.get("fieldPath", "")
    if not reference.get("apiVersion"):
        return [required(f"{path}.apiVersion")]
    if not wanted:
        return [required(f"{path}.fieldPath")]
    subscript = re.fullmatch(r"(.+)\['([^']*)'\]", wanted)
    known = subscript[1] if subscript else wanted
    if reference["apiVersion"] != "v1":
        text = f"error converting fieldPath: unsupported pod version: {reference['apiVersion']}"
        return [invalid(f"{path}.fieldPath", wanted, text)]
    if known not in KNOWN_FIELDS or (subscript and known not in ("metadata.annotations", "metadata.labels")):
        text = f"error converting fieldPath: field label not supported: {wanted}"
        return [invalid(f"{path}.fieldPath", wanted, text)]
    if subscript:
        key = subscript[2].lower() if known == "metadata.annotations" else subscript[2]
        return invalid_all(path, key, formats.label_key(key))
    return [] if wanted in fields else [not_supported(f"{path}.fieldPath", wanted, fields)]


def resource_reference(reference: Object, names_container: bool, path: str) -> Errors:
    """A container's requests or limits (validateContainerResourceFieldSelector)."""
    resource = reference.get("resource", "")
    errors: Errors = []
    if names_container and not reference.get("containerName"):
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in RESOURCES and not resource.startswith(HUGE_PAGES):
        errors.append(not_supported(f"{path}.resource", resource, RESOURCES))
    divisor = reference.get("divisor") or "0"
    if quantity.parse(divisor) != 0:
        errors += _divisor(resource, divisor, f"{path}.divisor")
    return errors


def _divisor(resource: str, divisor: str, path: str) -> Errors:
    if resource.endswith(".cpu"):
        text = "only divisor's values 1m and 1 are supported with the cpu resource"
        return [] if divisor in ("1m", "1") else [invalid(path, resource, text)]
    names = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    name = names.get(resource.partition(".")[2], "hugepages")
    text = f"only divisor's values {', '.join(SIZES)} are supported with the {name} resource"
    return [] if divisor in SIZES else [invalid(path, resource, text)]


def _key_reference(reference: Object, path: str) -> Errors:
    name, key = reference.get("name", ""), reference.get("key", "")
    errors = invalid_all(f"{path}.name", name, formats.dns_subdomain(name))
    return errors + (invalid_all(f"{path}.key", key, formats.config_key(key)) if key else [required(f"{path}.key")])


def _file_reference(reference: Object, path: str) -> Errors:
    key, volume, file = (reference.get(each, "") for each in ("key", "volumeName", "path"))
    errors = invalid_all(f"{path}.key", key, formats.environment_name(key)) if key else [required(f"{path}.key")]
    if volume:
        errors += invalid_all(f"{path}.volumeName", volume, formats.dns_label(volume))
    else:
        errors.append(required(f"{path}.volumeName"))
    return errors + (no_backsteps(file, f"{path}.path") if file else [required(f"{path}.path")])


def validate_environment_from(sources: list[Object], path: str) -> Errors:
    errors: Errors = []
    for index, source in enumerate(sources):
        place, prefix = f"{path}[{index}]", source.get("prefix", "")
        if prefix:
            errors += invalid_all(f"{place}.prefix", prefix, formats.environment_name(prefix))
        kinds = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        for kind in kinds:
            errors += _name_reference(source[kind], f"{place}.{kind}")
        # The real API leaves the index out here.
        if not kinds:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(kinds) > 1:
            errors.append(invalid(path, "", ONLY_ONE))
    return errors


def _name_reference(reference: Object, path: str) -> Errors:
    name = reference.get("name", "")
    if not name:
        return [required(f"{path}.name")]
    # A trailing dash is let pass, as in a prefix of a name.
    return invalid_all(f"{path}.name", name, formats.dns_subdomain(f"{name[:-1]}a" if name.endswith("-") else name))
