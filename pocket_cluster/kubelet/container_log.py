"""One container's log on disk: what it wrote, each line with its time, in the format of the CRI.

``2026-01-02T03:04:05.678901234Z stdout F the line``; ``P`` instead of ``F`` marks a line that goes on
(kubernetes/design-proposals-archive, node/kubelet-cri-logging.md). Only the standard library: the runtime writes this.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# As a real kubelet rotates (containerLogMaxSize), but of the older files only one is kept.
LARGEST_BYTES = 10 * 2**20
# Longer lines are divided, as containerd does it.
LONGEST_LINE = 16 * 1024


class ContainerLog:
    """Appends to ``path``, and moves it to ``path.1`` when it has become too large.

    ``hidden`` is the folder of the container's root: in what the container says, its own paths begin with ``/``.
    """

    def __init__(self, path: Path, hidden: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._hidden = hidden.encode()
        self._rest = b""
        self._open()

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, content: bytes) -> None:
        *lines, self._rest = (self._rest + content).split(b"\n")
        stamp = _stamp()
        entries = [entry for line in lines for entry in self._entries(stamp, line)]
        while len(self._rest) >= LONGEST_LINE:
            entries.append(self._entry(stamp, b"P", self._rest[:LONGEST_LINE]))
            self._rest = self._rest[LONGEST_LINE:]
        self._append(b"".join(entries))

    def close(self) -> None:
        """Write what has no line end yet."""
        if self._rest:
            self._append(self._entry(_stamp(), b"F", self._rest))
        os.close(self._descriptor)

    def _entries(self, stamp: bytes, line: bytes) -> list[bytes]:
        parts = [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)] or [b""]
        return [self._entry(stamp, b"P", part) for part in parts[:-1]] + [self._entry(stamp, b"F", parts[-1])]

    def _entry(self, stamp: bytes, tag: bytes, text: bytes) -> bytes:
        if self._hidden in text:
            text = text.replace(self._hidden, b"")
        return b"%s stdout %s %s\n" % (stamp, tag, text)

    def _append(self, content: bytes) -> None:
        if not content:
            return
        try:
            os.write(self._descriptor, content)
        except OSError:
            return  # a full disk must not end the container
        self._size += len(content)
        if self._size > LARGEST_BYTES:
            os.close(self._descriptor)
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._open()


def _stamp() -> bytes:
    nanoseconds = time.time_ns()
    seconds, fraction = divmod(nanoseconds, 10**9)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{fraction:09}Z", time.gmtime(seconds)).encode()
