"""What a container sees of its pod's volumes, and where: links in its root, instead of mounts.

Every sentence is what a real kubelet with containerd and runc says (asked of Kubernetes 1.36).
"""

from __future__ import annotations

import errno
import posixpath
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from pocket_cluster.api.objects import Object
from pocket_cluster.kubelet.environment import REFERENCE, ConfigurationError, expand
from pocket_cluster.paths import inside, resolve

UNABLE = "unable to start container process: "
MESSAGE_PATH = "/dev/termination-log"
# What runc says when there is nothing left of the root's /proc.
ROOT_HIDDEN = f"{UNABLE}error closing exec fds: open /proc/self/fd: no such file or directory"


class CannotStart(Exception):
    """The container is made and cannot be started; the text is runc's."""


# --- what is mounted


def mounts_of(container: Object, volumes: Path, scratch: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Where each of a container's mount paths leads. ``scratch`` is for what is only this container's.

    ConfigurationError for a part of a volume that leads out of it, or that cannot be made.
    """
    found: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or []:
        found[mount["mountPath"]] = _source(mount, container["name"], inside(volumes, mount["name"]), environment)
    message = scratch / "termination-log"
    message.write_text("")
    found[container.get("terminationMessagePath") or MESSAGE_PATH] = message
    return found


def _source(mount: Object, container: str, volume: Path, environment: Mapping[str, str]) -> Path:
    part = mount.get("subPath") or _expanded(mount.get("subPathExpr") or "", environment)
    if not part:
        return volume
    if part.startswith("/"):
        raise ConfigurationError(f"error SubPath `{part}` must not be an absolute path")
    if ".." in part.split("/"):
        raise ConfigurationError(f"unable to provision SubPath `{part}`: must not contain '..'")
    where = f'for volumeMount "{mount["name"]}" of container "{container}"'
    try:
        place = (volume / part).resolve()
        if not place.is_relative_to(volume.resolve()):
            what = "prepare subPath" if place.exists() else "create subPath directory"
            raise ConfigurationError(f"failed to {what} {where}")
        if not place.exists():
            place.mkdir(parents=True)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links that go round in circles, before Python 3.13
        raise ConfigurationError(f"failed to prepare subPath {where}") from None
    return place


def _expanded(expression: str, environment: Mapping[str, str]) -> str:
    """``subPathExpr`` with values in it; an empty one is a missing one."""
    for _, name in re.findall(REFERENCE, expression):
        if name and not environment.get(name):
            raise ConfigurationError(f"missing value for {name}")
    return expand(expression, environment)


# --- where


def mount_all(root: Path, mounts: Mapping[str, Path]) -> dict[str, Path]:
    """Put a link to each of these where its path leads in ``root``; the paths, resolved. CannotStart."""
    placed: dict[str, Path] = {}
    for path in sorted(mounts, key=lambda path: posixpath.normpath(f"/{path}").count("/")):  # as containerd does
        _mount(root, path, mounts[path], placed)
    return placed


def _mount(root: Path, path: str, source: Path, placed: dict[str, Path]) -> None:
    failed = f'{UNABLE}error during container init: error mounting "{source}" to rootfs at "{path}": '
    no_directory = f"{failed}mount {source}:{path} (via /proc/self/fd/6), flags: 0x5000: not a directory"
    if "\0" in path:
        options = "Options:[rbind rprivate rw] UIDMappings:[] GIDMappings:[]"
        raise CannotStart(
            f"invalid mount {{Destination:{path} Type:bind Source:{source} {options}}}: mount field contains null byte"
        )
    try:
        resolved = resolve(root, path, placed, own=str(source))
        if resolved == "/":
            raise CannotStart(ROOT_HIDDEN if source.is_dir() else no_directory)
        place = inside(root, posixpath.dirname(resolved), placed) / posixpath.basename(resolved)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_symlink() and place.is_dir() != source.is_dir():
            raise CannotStart(no_directory)
        _clear(place, root)
        place.symlink_to(source)
    except OSError as error:
        why = "not a directory" if isinstance(error, FileExistsError) else (error.strerror or str(error)).lower()
        raise CannotStart(f"{failed}open o_path procfd: open {path}: {why}") from None
    placed[resolved] = source


def _clear(place: Path, root: Path) -> None:
    """Take away what a mount would hide: of the container's own root anything, of another volume only what is empty."""
    is_folder = place.is_dir() and not place.is_symlink()
    if is_folder and place.is_relative_to(root):
        shutil.rmtree(place)
    elif is_folder:
        place.rmdir()
    elif place.is_file() and not place.is_symlink() and not place.is_relative_to(root) and place.stat().st_size:
        raise OSError(errno.ENOTEMPTY, "file not empty", str(place))
    else:
        place.unlink(missing_ok=True)
