"""Paths that somebody else wrote: in a manifest, an image, an archive. They never lead out of the folder they are for.

Only the standard library: the pod runtime uses it too.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

MOST_LINKS = 40  # path_resolution(7)
NOTHING: Mapping[str, Path] = MappingProxyType({})


def inside(root: Path, path: str, mounts: Mapping[str, Path] = NOTHING) -> Path:
    """Where a path leads on this machine for a process that has ``root`` as its root, as chroot(2) would have it.

    ``mounts``: paths there, as ``resolve`` finds them, that lead to folders or files elsewhere; nothing else does, no
    ``..`` and no link. OSError for links that go round in circles.
    """
    return _place(root, resolve(root, path, mounts), mounts)


def resolve(root: Path, path: str, mounts: Mapping[str, Path] = NOTHING, own: str = "") -> str:
    """The same path without links, ``.`` and ``..``, beginning with a slash; what is not there is taken as it stands.

    A link to ``own`` is taken as it stands too.
    """
    done: list[str] = []
    left, links = path.split("/")[::-1], 0
    while left:
        part = left.pop()
        if part == "..":
            del done[-1:]
        elif part not in ("", "."):
            here = f"/{'/'.join([*done, part])}"
            target = "" if here in mounts else _target(_place(root, here, mounts))
            if target in ("", own):
                done.append(part)
                continue
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                done.clear()
            left += target.split("/")[::-1]
    return f"/{'/'.join(done)}"


def _place(root: Path, resolved: str, mounts: Mapping[str, Path]) -> Path:
    """On this machine, through the mount that lies nearest above."""
    over, below = resolved, ""
    while over not in mounts and over != "/":
        over, _, part = over.rpartition("/")
        over, below = over or "/", f"/{part}{below}"
    return Path(f"{mounts.get(over, root)}{below}")


def _target(place: Path) -> str:
    """Where a link leads; empty for what is none."""
    try:
        return str(place.readlink())
    except (OSError, ValueError):  # ValueError: a NUL, which no file has in its name
        return ""
