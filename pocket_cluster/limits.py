"""What one process of a cluster may use of this machine: so many open files, and logs that do not fill its disk.

Only the standard library: the supervisor uses it before anything else is there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
from pathlib import Path

MOST_OPEN_FILES = 65_536
# As a container's log: one file, and the one before it.
LARGEST_LOG_BYTES = 10 * 2**20


def open_files() -> int:
    """How many files this process may have open, after asking the system for as many as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft if soft != resource.RLIM_INFINITY else MOST_OPEN_FILES


def log_to(path: Path) -> None:
    """What this process prints goes to that file from now on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    BoundedLog.path = path


class BoundedLog(logging.StreamHandler):  # type: ignore[type-arg]
    """Logs to where this process prints; a file that has become too large is moved to ``NAME.log.1``."""

    path: Path  # of this process

    def __init__(self, path: Path) -> None:
        super().__init__()
        BoundedLog.path = path

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        with contextlib.suppress(OSError):
            if os.fstat(2).st_size > LARGEST_LOG_BYTES:
                with contextlib.suppress(FileNotFoundError):  # moved, but the next one could not be opened then
                    self.path.replace(before(self.path))
                log_to(self.path)


def before(log: Path) -> Path:
    """The part of a log that was moved away."""
    return log.with_name(f"{log.name}.1")


def bound_logs(folder: Path) -> None:
    """Empty what something else than logging has made far too large, what a component prints itself for instance."""
    for log in folder.glob("*.log*"):
        with contextlib.suppress(OSError):
            if log.stat().st_size > 2 * LARGEST_LOG_BYTES:
                os.truncate(log, 0)
