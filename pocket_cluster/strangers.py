"""Connections of programs that have not shown a token: only so many at once, and none for long.

Every user of this machine can connect to a port of 127.0.0.1. Without a bound, somebody without a token could use up a
server's file descriptors with connections that say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPException

from pocket_cluster.limits import open_files

logger = logging.getLogger("pocket_cluster.strangers")

# As a real API server waits for the head of a request (genericapiserver, ReadHeaderTimeout).
SECONDS = 32.0
# So many at once, as each has buffers; fewer where this process may not have four times as many open files.
MOST, SHARE = 512, 4
RETRY_SECONDS = 0.1
BACKLOG = 1024


User = TypeVar("User")


def user_of(authorization: str, users: Mapping[str, User]) -> User | None:
    """Whose bearer token that header shows; each is compared in the same time, whatever is wrong with it."""
    scheme, _, token = authorization.partition(" ")
    given = token.strip().encode(errors="surrogateescape")
    found = [user for known, user in users.items() if hmac.compare_digest(known.encode(), given)]
    return found[0] if found and scheme == "Bearer" else None


class Strangers:
    """Who is connected without having shown a token, the oldest first."""

    def __init__(self, most: int | None = None) -> None:
        """``most`` at once, MOST if it is not given."""
        self.most = most or min(MOST, open_files() // SHARE)
        self._connections: dict[Any, tuple[socket.socket, asyncio.TimerHandle]] = {}

    def add(self, peer: Any, connection: socket.socket) -> None:
        """Note a new connection; where there are too many, the oldest ends."""
        if peer in self._connections:  # it has gone, and somebody else has its port
            self.end(peer)
        if len(self._connections) >= self.most:
            for gone in [each for each, (there, _) in self._connections.items() if there.fileno() < 0]:
                self.end(gone)
        while len(self._connections) >= self.most:
            self.end(next(iter(self._connections)))
        timer = asyncio.get_running_loop().call_later(SECONDS, self.end, peer)
        self._connections[peer] = connection, timer

    def has_shown_a_token(self, transport: asyncio.BaseTransport | None) -> None:
        """Whoever it is may stay."""
        peer = transport.get_extra_info("peername") if transport else None
        if found := self._connections.pop(peer, None):
            found[1].cancel()

    def end(self, peer: Any) -> None:
        connection, timer = self._connections.pop(peer)
        timer.cancel()
        with contextlib.suppress(OSError):  # its transport may have closed it
            connection.shutdown(socket.SHUT_RDWR)

    def __len__(self) -> int:
        return len(self._connections)


class _ClientsMistakes(logging.Filter):
    """What a client did wrong needs no traceback of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | HTTPException):
            record.msg, record.args, record.exc_info = f"{record.getMessage()}: {error}".split("\n")[0], (), None
        return True


_CLIENTS_MISTAKES = _ClientsMistakes()


class Door:
    """A port where connections are taken and spoken to with TLS; each is a stranger's until it has shown a token."""

    def __init__(
        self, address: tuple[str, int], make: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext
    ) -> None:
        """Listen there; port 0 is any. OSError when somebody else does."""
        logging.getLogger("aiohttp.server").addFilter(_CLIENTS_MISTAKES)
        self.strangers = Strangers()
        self._make, self._context = make, context
        self._listener = socket.create_server(address, backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._meetings: set[asyncio.Task[None]] = set()
        self._work = asyncio.get_running_loop().create_task(self._take())

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listener)
            except ConnectionAbortedError:  # it has gone already (BSD)
                continue
            except OSError as error:  # no descriptor is left, for instance
                logger.warning("no connection can be taken: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.strangers.add(peer, connection)
            await asyncio.sleep(0)  # where many wait, sock_accept would not let those that were ended go
            meeting = loop.create_task(self._meet(connection))
            self._meetings.add(meeting)
            meeting.add_done_callback(self._meetings.discard)

    async def _meet(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make, connection, ssl=self._context, ssl_handshake_timeout=SECONDS
            )
        except OSError:  # it said nothing, or no TLS: ssl.SSLError is one too
            connection.close()

    def close(self) -> None:
        """Take no more; who is there may stay."""
        self._work.cancel()
        for meeting in self._meetings:
            meeting.cancel()
        self._listener.close()
