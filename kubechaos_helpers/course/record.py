"""What the learner has done: ``progress.json`` in the learner's own folder. It survives kernels and browsers."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from kubechaos_helpers.files import my_folder

Value = str | int | float | bool
Part = Literal["predictions", "explanations", "exercises", "questions"]
_lock = threading.Lock()


def kept(part: Part) -> dict[str, Value]:
    """What is kept of one part, by the identities of the pages' elements."""
    found = _load().get(part)
    return found if isinstance(found, dict) else {}


def keep(part: Part, identity: str, value: Value) -> None:
    """Write whole or not at all. A file that is not ours to read is kept under another name."""
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with _lock, _alone(file.parent):
        known = _load()
        if not known and file.exists():
            file.replace(file.with_suffix(".unreadable"))
        known[part] = {**kept(part), identity: value}
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other page's kernel writes meanwhile, where the file system knows locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _file() -> Path:
    return my_folder() / "progress.json"


def _load() -> dict[str, dict[str, Value]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
