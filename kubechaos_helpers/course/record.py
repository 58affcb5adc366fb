"""What the learner has done: ``progress.json`` in the learner's own folder. It survives kernels and browsers."""

from __future__ import annotations

import json
import threading
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
    with _lock:
        file, known = _file(), _load()
        file.parent.mkdir(parents=True, exist_ok=True)
        if not known and file.exists():
            file.replace(file.with_suffix(".unreadable"))
        known[part] = {**kept(part), identity: value}
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(file)


def _file() -> Path:
    return my_folder() / "progress.json"


def _load() -> dict[str, dict[str, Value]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
