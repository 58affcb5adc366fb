"""Carrying one connection: bytes from the visitor to the pod and back, as they come.

A relay keeps what a kernel's NAT would show: either side may close its half, a slow reader slows the writer down, a
reset stays a reset, and a pod that does not answer gets the visitor one. There is no second try with another pod.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from pocket_cluster.kube_proxy.choose import Address

# More unsent bytes than this and the other side is not read from until they are gone.
HIGH_WATER = 256 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds

# Gives the pod's address on this machine for a visitor's address, or None when nobody is there any more.
Choose = Callable[[str], Address | None]


class Side(asyncio.Protocol):
    """One side of a relayed connection; ``other`` is where its bytes go."""

    transport: asyncio.Transport
    other: Side | None = None
    has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on. The other direction stays open until it ends too; then nobody else would close this."""
        other = self.other
        self.has_ended = True
        if other is None or other.has_ended:
            return False
        other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and not self.other.has_ended:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        other, self.other = self.other, None
        if other is None:
            return
        other.other = None
        if error:
            reset(other.transport)
        else:
            other.transport.close()


class Visitor(Side):
    """The visitor's side: when it is there, a pod is chosen and connected to."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self._choose(transport.get_extra_info("peername")[0])
        if address is None:
            reset(self.transport)
            return
        self._connecting = asyncio.get_running_loop().create_task(self._connect(address))

    async def _connect(self, address: Address) -> None:
        """Connect for as long as the kernel tries."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: Pod(self), *address)
        except OSError:
            reset(self.transport)

    def join(self, pod: Pod) -> None:
        """Meet the pod, and tell it what the visitor said meanwhile."""
        self.other, pod.other = pod, self
        for data in self._early:
            pod.transport.write(data)
        if self.has_ended:
            pod.transport.write_eof()
        elif self._early:
            self.transport.resume_reading()
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)
        elif not self.transport.is_closing():
            self._early.append(data)
            self.transport.pause_reading()  # what comes now waits in the kernel

    def eof_received(self) -> bool:
        if self.other:
            return super().eof_received()
        self.has_ended = True
        return not self.transport.is_closing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._connecting:
            self._connecting.cancel()
        super().connection_lost(error)


class Pod(Side):
    """The pod's side: when it answers, the visitor is joined to it."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._visitor.transport.is_closing():
            reset(self.transport)
        else:
            self._visitor.join(self)


def reset(transport: asyncio.Transport) -> None:
    """End the connection with a reset instead of an orderly end."""
    found = transport.get_extra_info("socket")
    if found is not None and not transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
