"""Volumes of pods: one source each, and what the sources in use here need."""

from __future__ import annotations

from collections.abc import Callable

from pocket_cluster.api import quantity
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
from pocket_cluster.apiserver.schema.validation.environment import field_reference, resource_reference
from pocket_cluster.apiserver.schema.validation.paths import file_mode, no_backsteps, non_reserved_path

FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
# The order in which the real API meets them: the first is the volume, any other is too many.
SOURCES = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "azureDisk", "storageos", "photonPersistentDisk",
    "projected", "portworxVolume", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def validate_volumes(volumes: list[Object], path: str) -> tuple[dict[str, Object], Errors]:
    """The sound volumes by name, which mounts may refer to, and what is wrong with the others."""
    sound: dict[str, Object] = {}
    errors: Errors = []
    for index, volume in enumerate(volumes):
        place, name = f"{path}[{index}]", volume.get("name", "")
        found = _source(volume, place)
        if name:
            found += invalid_all(f"{place}.name", name, formats.dns_label(name))
        else:
            found.append(required(f"{place}.name"))
        if name in sound:
            found.append(duplicate(f"{place}.name", name))
        errors += found
        if not found:
            sound[name] = volume
    return sound, errors


def _source(volume: Object, path: str) -> Errors:
    kinds = [kind for kind in SOURCES if kind in volume]
    if not kinds:
        return [required(path, "must specify a volume type")]
    check = CHECKS.get(kinds[0])
    errors = check(volume[kinds[0]], f"{path}.{kinds[0]}") if check else []
    return errors + [forbidden(f"{path}.{kind}", "may not specify more than 1 volume type") for kind in kinds[1:]]


def _empty_dir(source: Object, path: str) -> Errors:
    if quantity.parse(source.get("sizeLimit") or "0") < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _host_path(source: Object, path: str) -> Errors:
    if not source.get("path"):
        return [required(f"{path}.path")]
    errors = no_backsteps(source["path"], f"{path}.path")
    kind = source.get("type")
    if kind is not None and kind not in HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", kind, HOST_PATH_TYPES))
    return errors


def _named(field: str) -> Callable[[Object, str], Errors]:
    """A Secret's or a ConfigMap's volume, which names it in ``field``."""

    def check(source: Object, path: str) -> Errors:
        errors = [] if source.get(field) else [required(f"{path}.{field}")]
        return errors + file_mode(source.get("defaultMode"), f"{path}.defaultMode") + _items(source, path)

    return check


def _items(source: Object, path: str) -> Errors:
    errors: Errors = []
    for index, item in enumerate(source.get("items") or []):
        place, target = f"{path}.items[{index}]", item.get("path", "")
        if not item.get("key"):
            errors.append(required(f"{place}.key"))
        if not target:
            errors.append(required(f"{place}.path"))
        errors += non_reserved_path(target, f"{place}.path")
        errors += file_mode(item.get("mode"), f"{place}.mode")
    return errors


def _claim(source: Object, path: str) -> Errors:
    return [] if source.get("claimName") else [required(f"{path}.claimName")]


def _nfs(source: Object, path: str) -> Errors:
    errors = [required(f"{path}.{field}") for field in ("server", "path") if not source.get(field)]
    if source.get("path") and not source["path"].startswith("/"):
        errors.append(invalid(f"{path}.path", source["path"], "must be an absolute path"))
    return errors


def _downward_api(source: Object, path: str) -> Errors:
    errors = file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or []:
        errors += _downward_item(item, path)
    return errors


def _downward_item(item: Object, path: str) -> Errors:
    target = item.get("path", "")
    errors = [] if target else [required(f"{path}.path")]
    errors += non_reserved_path(target, f"{path}.path")
    if "fieldRef" in item:
        errors += field_reference(item["fieldRef"], FIELDS, f"{path}.fieldRef")
        if "resourceFieldRef" in item:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", text))
    elif "resourceFieldRef" in item:
        errors += resource_reference(item["resourceFieldRef"], True, f"{path}.resourceFieldRef")
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + file_mode(item.get("mode"), f"{path}.mode")


def _projected(source: Object, path: str) -> Errors:
    errors = file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for index, projection in enumerate(source.get("sources") or []):
        place = f"{path}.sources[{index}]"
        kinds = [kind for kind in PROJECTIONS if kind in projection]
        for number, kind in enumerate(kinds):
            if number:
                errors.append(forbidden(f"{place}.{kind}", "may not specify more than 1 volume type per source"))
            else:
                errors += _projection(kind, projection[kind], path, f"{place}.{kind}")
    return errors


def _projection(kind: str, source: Object, volume: str, path: str) -> Errors:
    if kind in ("secret", "configMap"):
        return ([] if source.get("name") else [required(f"{path}.name")]) + _items(source, path)
    if kind == "downwardAPI":
        errors: Errors = []
        for item in source.get("items") or []:
            errors += _downward_item(item, path)
        return errors
    if kind == "serviceAccountToken":
        return _token(source, volume, path)
    return []


def _token(source: Object, volume: str, path: str) -> Errors:
    """The real API names the volume, not the source, where the token's path is missing."""
    seconds = source.get("expirationSeconds") or 0
    errors: Errors = []
    if seconds < 600:
        errors.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if not source.get("path"):
        return [*errors, required(f"{volume}.path")]
    return errors + non_reserved_path(source["path"], f"{volume}.path")


CHECKS: dict[str, Callable[[Object, str], Errors]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _named("secretName"),
    "configMap": _named("name"),
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "downwardAPI": _downward_api,
    "projected": _projected,
}
