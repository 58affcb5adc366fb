"""Volumes: ConfigMaps, Secrets, the downward API and empty folders, below the pod's own folder.

What comes from the API is written as a real kubelet writes it (pkg/volume/util/atomic_writer.go): the files are links
into ``..data``, which is a link to a folder with a time in its name, so that all files change at once.
"""

from __future__ import annotations

import base64
import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pocket_cluster.api.objects import Object, namespace
from pocket_cluster.kubelet.environment import pod_field, resource_field
from pocket_cluster.paths import inside

DEFAULT_MODE = 0o644


class VolumeError(Exception):
    """A volume cannot be made now; the text is the real kubelet's."""


# Looks up the content of a ConfigMap or Secret by kind and name: file name to bytes, or None when there is none.
Contents = Callable[[str, str], Mapping[str, bytes] | None]
Files = dict[str, tuple[bytes, int]]


def content_of(obj: Object) -> dict[str, bytes]:
    """What a ConfigMap's or a Secret's files would have in them."""
    encoded = obj.get("data") or {}
    if obj.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in encoded.items()}
    plain = {key: value.encode() for key, value in encoded.items()}
    return plain | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def write_volume(folder: Path, volume: Object, pod: Object, pod_ip: str, contents: Contents) -> None:
    """Make the volume in ``folder`` or bring it up to date; VolumeError when something it needs is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if "emptyDir" in volume:
        return
    files: Files = {}
    for source in (volume.get("projected") or {}).get("sources") or [volume]:
        mode = (volume.get("projected") or {}).get("defaultMode", DEFAULT_MODE)
        files |= _files_of(source, mode, pod, pod_ip, contents)
    _write_at_once(folder, files)


def _files_of(source: Object, mode: int, pod: Object, pod_ip: str, contents: Contents) -> Files:
    if "configMap" in source:
        return _keys("ConfigMap", source["configMap"], source["configMap"].get("name", ""), mode, pod, contents)
    if "secret" in source:
        secret = source["secret"]
        return _keys("Secret", secret, secret.get("secretName") or secret.get("name", ""), mode, pod, contents)
    if "downwardAPI" in source:
        return _downward(source["downwardAPI"], mode, pod, pod_ip)
    raise VolumeError(f"this cluster has no volumes of the kind {', '.join(source.keys() - {'name'})}")


def _keys(kind: str, source: Object, name: str, mode: int, pod: Object, contents: Contents) -> Files:
    data = contents(kind, name)
    optional = source.get("optional", False)
    if data is None and not optional:
        raise VolumeError(f'{kind.lower()} "{name}" not found')
    mode = source.get("defaultMode", mode)
    items = source.get("items")
    if not items:
        return {key: (value, mode) for key, value in (data or {}).items()}
    files: Files = {}
    for item in items:
        if item["key"] in (data or {}):
            files[item["path"]] = ((data or {})[item["key"]], item.get("mode", mode))
        elif not optional:
            what = (
                "configmap references non-existent config key"
                if kind == "ConfigMap"
                else "references non-existent secret key"
            )
            raise VolumeError(f"{what}: {item['key']}")
    return files


def _downward(source: Object, mode: int, pod: Object, pod_ip: str) -> Files:
    files: Files = {}
    for item in source.get("items") or []:
        if "fieldRef" in item:
            text = pod_field(pod, item["fieldRef"]["fieldPath"], pod_ip)
        else:
            text = resource_field(pod, pod["spec"]["containers"][0], item["resourceFieldRef"])
        files[item["path"]] = (text.encode(), item.get("mode", source.get("defaultMode", mode)))
    return files


def _write_at_once(folder: Path, files: Files) -> None:
    data = folder / "..data"
    if data.exists() and _present(data) == {path: content for path, (content, _) in files.items()}:
        return
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.") + str(secrets.randbelow(10**9))
    for path, (content, mode) in files.items():
        place = inside(folder / stamp, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)
    (folder / stamp).mkdir(exist_ok=True)
    _switch(folder, data, stamp, {path.split("/")[0] for path in files})


def _switch(folder: Path, data: Path, stamp: str, names: set[str]) -> None:
    before = data.resolve() if data.exists() else None
    fresh = folder / "..data_tmp"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(stamp)
    fresh.rename(data)
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for link in folder.iterdir():
        if not link.name.startswith("..") and link.name not in names:
            link.unlink()
    if before:
        shutil.rmtree(before, ignore_errors=True)


def _present(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}


def references(pod: Object) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets in the pod's volumes, as kind and ``namespace/name``."""
    found: set[tuple[str, str]] = set()
    for volume in pod["spec"].get("volumes") or []:
        for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if field in source:
                    name = source[field].get("name") or source[field].get("secretName")
                    found.add((kind, f"{namespace(pod)}/{name}"))
    return found
