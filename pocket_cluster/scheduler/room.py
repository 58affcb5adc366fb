"""What room a node has: the pods on it, what they ask for, which host ports they hold. No input or output.

Rules: pkg/scheduler/framework/plugins/noderesources/fit.go, nodeports/node_ports.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from pocket_cluster.api.objects import Object
from pocket_cluster.api.quantity import parse as quantity

NOTHING = Fraction(0)
EVERY_ADDRESS = ("", "0.0.0.0")
MOST_PODS = 110  # what a kubelet allows that does not say otherwise

Requests = dict[str, Fraction]
HostPort = tuple[str, str, int]


class Room:
    """A node and the pods that have it, those included whose binding is still on its way."""

    def __init__(self, node: Object, pods: Iterable[Object] = ()) -> None:
        self.node = node
        self.pods: list[Object] = []
        allocatable = (node.get("status") or {}).get("allocatable") or {}
        self._size = {resource: quantity(str(amount)) for resource, amount in allocatable.items()}
        self._used: Requests = {}
        self._ports: set[HostPort] = set()
        for pod in pods:
            self.add(pod)

    def add(self, pod: Object) -> None:
        self.pods.append(pod)
        self._ports |= host_ports(pod)
        for resource, amount in requests(pod).items():
            self._used[resource] = self._used.get(resource, NOTHING) + amount

    def lacking_for(self, pod: Object) -> list[str]:
        """What the node has too little of, in the real scheduler's words."""
        allowed = self._size.get("pods", Fraction(MOST_PODS))
        reasons = ["Too many pods"] if len(self.pods) + 1 > allowed else []
        for resource, amount in sorted(requests(pod).items()):
            if amount > self._size.get(resource, NOTHING) - self._used.get(resource, NOTHING):
                reasons.append(f"Insufficient {resource}")
        return reasons

    def is_too_small_for(self, pod: Object) -> bool:
        """Whether the pod would not fit if it were alone on the node."""
        return any(amount > self._size.get(resource, NOTHING) for resource, amount in requests(pod).items())

    def ports_taken_for(self, pod: Object) -> bool:
        return any(_conflict(wanted, taken) for wanted in host_ports(pod) for taken in self._ports)

    def crowding(self) -> float:
        """The largest used part of CPU, memory and places for pods: nodes are filled evenly."""
        size = {"pods": Fraction(MOST_PODS), **self._size}
        used = {**self._used, "pods": Fraction(len(self.pods))}
        return max((float(used.get(each, NOTHING) / size[each]) for each in size if size[each]), default=0.0)


def _conflict(one: HostPort, other: HostPort) -> bool:
    same_address = one[0] == other[0] or one[0] in EVERY_ADDRESS or other[0] in EVERY_ADDRESS
    return same_address and one[1:] == other[1:]


def host_ports(pod: Object) -> set[HostPort]:
    """The (address, protocol, port) that the pod's containers hold on the node."""
    return {
        (port.get("hostIP", ""), port.get("protocol", "TCP"), port["hostPort"])
        for container in pod["spec"].get("containers") or []
        for port in container.get("ports") or []
        if port.get("hostPort")
    }


def requests(pod: Object) -> Requests:
    """What the pod asks for: its containers and sidecars together, or one init container if that asks for more.

    Rule: component-helpers, resource/helpers.go (PodRequests).
    """
    total: Requests = {}
    peak: Requests = {}
    for container in pod["spec"].get("initContainers") or []:
        asked = _requested(container)
        if container.get("restartPolicy") == "Always":
            total = _sum(total, asked)
            asked = {}
        peak = _largest(peak, _sum(total, asked))
    for container in pod["spec"].get("containers") or []:
        total = _sum(total, _requested(container))
    overhead = {each: quantity(str(amount)) for each, amount in (pod["spec"].get("overhead") or {}).items()}
    return {each: amount for each, amount in _sum(_largest(total, peak), overhead).items() if amount}


def _requested(container: Object) -> Requests:
    asked = (container.get("resources") or {}).get("requests") or {}
    return {resource: quantity(str(amount)) for resource, amount in asked.items()}


def _sum(one: Requests, other: Requests) -> Requests:
    return {each: one.get(each, NOTHING) + other.get(each, NOTHING) for each in {**one, **other}}


def _largest(one: Requests, other: Requests) -> Requests:
    return {each: max(one.get(each, NOTHING), other.get(each, NOTHING)) for each in {**one, **other}}
