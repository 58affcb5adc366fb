"""A port that nothing else here takes: claimed until the test is over, not found free and released."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Below what systems give to connections (Linux from 32768, macOS from 49152) and beside the node ports (from 30000).
PORTS = range(20000, 29000)


@contextlib.contextmanager
def claimed_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which nobody listens, for one test among all that run on this machine."""
    for port in PORTS:
        with contextlib.ExitStack() as held:
            if _is_locked(Path(tempfile.gettempdir(), f"kubechaos-port-{port}"), held) and _nobody_listens(port):
                yield port
                return
    raise AssertionError(f"none of the ports {PORTS.start} to {PORTS.stop - 1} is free")


def _is_locked(path: Path, held: contextlib.ExitStack) -> bool:
    """Whether this process has the file's lock now, as long as ``held`` is open; then the file goes."""
    try:
        file = held.enter_context(path.open("w"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_ino != path.stat().st_ino:  # its holder before removed it meanwhile
            return False
    except OSError:
        return False
    held.callback(path.unlink)
    return True


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
