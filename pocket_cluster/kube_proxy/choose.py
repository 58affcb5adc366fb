"""Which pod a new connection goes to. Pure but for the dice and the memory that it is handed.

Rules: in iptables and nftables mode the kernel draws one endpoint at random for each new connection
(pkg/proxy/iptables/proxier.go, ``--probability``; pkg/proxy/nftables/proxier.go, ``numgen random``), in ipvs mode the
scheduler ``rr`` takes turns. Which endpoints count: pkg/proxy/topology.go, CategorizeEndpoints. ClientIP affinity:
pkg/proxy/iptables/proxier.go, ``-m recent``, where each new connection sets the time anew.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

RANDOM, ROUND_ROBIN = "random", "round-robin"
# What a learner may write, the real modes' names included, and what each of them does.
MODES = {
    RANDOM: RANDOM,
    "iptables": RANDOM,
    "nftables": RANDOM,
    ROUND_ROBIN: ROUND_ROBIN,
    "ipvs": ROUND_ROBIN,
}

Address = tuple[str, int]


class Endpoint(NamedTuple):
    """A pod behind a Service's port, as an EndpointSlice lists it."""

    address: Address
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node: str = ""


@dataclass(slots=True)
class Memory:
    """What kube-proxy remembers of one Service port: whose turn it is, and who was where when (seconds)."""

    turn: int = 0
    clients: dict[str, tuple[Address, float]] = field(default_factory=dict)


def usable(endpoints: Sequence[Endpoint]) -> tuple[Address, ...]:
    """The ready endpoints; with none ready, those that still serve while they terminate."""
    ready = tuple(each.address for each in endpoints if each.ready)
    return ready or tuple(each.address for each in endpoints if each.serving and each.terminating)


def choose(
    endpoints: Sequence[Address],
    client: str,
    memory: Memory,
    mode: str = RANDOM,
    affinity_seconds: float = 0.0,
    now: float = 0.0,
    dice: random.Random | None = None,
) -> Address:
    """The endpoint, of one or more usable ones, for a new connection from ``client``.

    ``affinity_seconds`` above 0 is ClientIP affinity: a client stays where it was as long as that endpoint is usable
    and its last new connection is less than so many seconds old. ``now`` is any steady clock.
    """
    if affinity_seconds:
        known, last = memory.clients.get(client, (None, 0.0))
        if known in endpoints and now - last < affinity_seconds:
            assert known is not None
            memory.clients[client] = (known, now)
            return known
    if mode == ROUND_ROBIN:
        chosen = endpoints[memory.turn % len(endpoints)]
        memory.turn += 1
    else:
        chosen = (dice or random).choice(endpoints)
    if affinity_seconds:
        _forget_old(memory, affinity_seconds, now)
        memory.clients[client] = (chosen, now)
    return chosen


def _forget_old(memory: Memory, affinity_seconds: float, now: float) -> None:
    old = [client for client, (_, last) in memory.clients.items() if now - last >= affinity_seconds]
    for client in old:
        del memory.clients[client]
