"""Which pages of one learner are open at once, each in a kernel of its own: they work on one cluster."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO

from kubechaos_helpers.files import my_folder

# Held while this kernel lives; the system lets go of it in any case.
_held: list[IO[str]] = []


def open_page(number: str) -> list[str]:
    """Note that this kernel has a page open. Returns the numbers of those that other kernels have open."""
    while _held:
        _held.pop().close()
    try:
        folder = _folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        others = [file.name for file in sorted(folder.iterdir()) if file.name != number and _is_held(file)]
        file = _lock(folder / number)
    except OSError:  # a temporary folder that is not ours: nobody needs to know
        return []
    if file:
        _held.append(file)
    return others


def _is_held(path: Path) -> bool:
    file = _lock(path)
    if file:
        file.close()
    return file is None


def _lock(path: Path) -> IO[str] | None:
    """The file, locked; None when another process has it. Closed is unlocked."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _folder() -> Path:
    whose = hashlib.sha256(str(my_folder().resolve()).encode()).hexdigest()[:16]
    place = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(place, f"kubechaos-open-{os.getuid()}-{whose}")
