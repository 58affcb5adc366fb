"""Which pod a new connection goes to. Pure but for the dice and the memory that it is handed.

Rules: in iptables and nftables mode the kernel draws one endpoint at random for each new connection
(pkg/proxy/iptables/proxier.go, ``--probability``; pkg/proxy/nftables/proxier.go, ``numgen random``), in ipvs mode the
scheduler ``rr`` takes turns. Which endpoints count: pkg/proxy/topology.go, CategorizeEndpoints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

RANDOM, ROUND_ROBIN = "random", "round-robin"
MODES = (RANDOM, ROUND_ROBIN)


class Endpoint(NamedTuple):
    """A pod behind a Service's port."""

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False


@dataclass(slots=True)
class Memory:
    """What kube-proxy remembers of one Service port: whose turn it is, and who was where when (seconds)."""

    turn: int = 0
    clients: dict[str, tuple[Endpoint, float]] = field(default_factory=dict)


def usable(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The ready endpoints; with none ready, those that still serve while they terminate."""
    ready = [each for each in endpoints if each.ready]
    return ready or [each for each in endpoints if each.serving and each.terminating]


def choose(
    endpoints: Sequence[Endpoint],
    client: str,
    memory: Memory,
    mode: str = RANDOM,
    affinity_seconds: float = 0.0,
    now: float = 0.0,
    dice: random.Random | None = None,
) -> Endpoint | None:
    """The endpoint for a new connection from ``client``, or None when there is none.

    ``affinity_seconds`` above 0 is ClientIP affinity: a client stays where it was as long as that endpoint is usable
    and its last connection is not older than that. ``now`` is any steady clock.
    """
    candidates = usable(endpoints)
    if not candidates:
        return None
    if affinity_seconds:
        known = memory.clients.get(client)
        if known and known[0] in candidates and now - known[1] < affinity_seconds:
            memory.clients[client] = (known[0], now)
            return known[0]
    if mode == ROUND_ROBIN:
        chosen = candidates[memory.turn % len(candidates)]
        memory.turn += 1
    else:
        chosen = (dice or random).choice(candidates)
    if affinity_seconds:
        _forget_old(memory, affinity_seconds, now)
        memory.clients[client] = (chosen, now)
    return chosen


def _forget_old(memory: Memory, affinity_seconds: float, now: float) -> None:
    old = [client for client, (_, last) in memory.clients.items() if now - last >= affinity_seconds]
    for client in old:
        del memory.clients[client]
