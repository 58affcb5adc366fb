"""Which pod has which address: 10.244.0.2 and up; one that was given back is used again as late as can be."""

from __future__ import annotations

from collections import deque

# The upper half of the pods' range is what pods call localhost (pod_network.LOCALHOST_OFFSET).
LAST = 64 * 256 - 2
FIRST = 2


class PodAddresses:
    """Hands out addresses by pod UID; the same pod gets the same address."""

    def __init__(self) -> None:
        self._of_pod: dict[str, str] = {}
        self._taken: set[str] = set()
        self._next = FIRST
        self._returned: deque[str] = deque()

    def adopt(self, uid: str, address: str) -> None:
        """A pod from before the kubelet's restart keeps its address."""
        self._of_pod[uid] = address
        self._taken.add(address)
        third, fourth = (int(number) for number in address.split(".")[2:])
        self._next = max(self._next, third * 256 + fourth + 1)

    def of(self, uid: str) -> str:
        if uid not in self._of_pod:
            self._of_pod[uid] = self._fresh()
            self._taken.add(self._of_pod[uid])
        return self._of_pod[uid]

    def give_back(self, uid: str) -> None:
        address = self._of_pod.pop(uid, None)
        if address:
            self._taken.discard(address)
            self._returned.append(address)

    def _fresh(self) -> str:
        while self._next <= LAST:
            number, self._next = self._next, self._next + 1
            address = f"10.244.{number // 256}.{number % 256}"
            if number % 256 not in (0, 255) and address not in self._taken:
                return address
        return self._returned.popleft()
