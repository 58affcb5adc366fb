"""Carrying one connection: bytes from the visitor to the pod and back, as they come.

A relay keeps what a kernel's NAT would show: either side may close its half, a slow reader slows the writer down, and
a pod that does not answer gets the visitor a reset. There is no second try with another pod.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

# More unsent bytes than this and the other side is not read from until they are gone.
HIGH_WATER = 256 * 1024
CONNECT_SECONDS = 30.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds

Address = tuple[str, int]
# Gives the pod's address on this machine for a visitor's address, or None when nobody is there.
Choose = Callable[[str], Address | None]


class Half(asyncio.Protocol):
    """One side of a relayed connection; ``peer`` is the other."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Half | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on; the other direction stays open until it ends too."""
        if self.peer and self.peer.transport and self.peer.transport.can_write_eof():
            self.peer.transport.write_eof()
            return True
        return False

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self.peer and self.peer.transport:
            if error:
                reset(self.peer.transport)
            else:
                self.peer.transport.close()
        self.peer = None


class Visitor(Half):
    """The visitor's side: when it is there, a pod is chosen and connected to."""

    def __init__(self, choose: Choose) -> None:
        super().__init__()
        self._choose = choose
        self._early: list[bytes] = []
        self._early_eof = False
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        assert self.transport is not None
        address = self._choose(self.transport.get_extra_info("peername")[0])
        pod = Half()
        try:
            if address is None:
                raise ConnectionRefusedError
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.create_connection(lambda: pod, *address), CONNECT_SECONDS)
        except OSError:
            reset(self.transport)
            return
        self._join(pod)

    def _join(self, pod: Half) -> None:
        assert pod.transport is not None
        if self.transport is None or self.transport.is_closing():
            pod.transport.close()
            return
        self.peer, pod.peer = pod, self
        for data in self._early:
            pod.transport.write(data)
        self._early.clear()
        if self._early_eof:
            pod.transport.write_eof()
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer:
            super().data_received(data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) > HIGH_WATER and self.transport:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        if self.peer:
            return super().eof_received()
        self._early_eof = True
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self._connecting and not self._connecting.done():
            self._connecting.cancel()
        super().connection_lost(error)


def reset(transport: asyncio.Transport) -> None:
    """End the connection with a reset instead of an orderly end."""
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
