"""Local ports that must rest: from each, somebody tried to connect to a Service, and nothing came back.

A node remembers for two minutes which pod it sent such an attempt to, by the visitor's address and port
(nf_conntrack_tcp_timeout_syn_sent in Linux). A later connection from the same port would be sent to that pod, which is
gone, instead of to one that kube-proxy chooses now: no visitor of its own, but the earlier one again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

SECONDS = 125.0
_until: dict[int, float] = {}
_lock = threading.Lock()


def rest(ports: Iterable[int]) -> None:
    """Let these ports rest for the next two minutes."""
    with _lock:
        _until.update(dict.fromkeys(ports, time.monotonic() + SECONDS))


def resting() -> list[int]:
    """The ports that no probe may use now."""
    with _lock:
        for port in [port for port, until in _until.items() if until < time.monotonic()]:
            del _until[port]
        return list(_until)
