"""The load generator, a program of its own: ``python -m kubechaos_helpers.prober``, so that drawing cannot disturb it.

It reads one job as a JSON line from standard input and writes JSON lines: ``{"started": …}``, batches of visits as
``{"visits": […], "unheard": […]}``, then ``{"done": true}``. It ends at once, with what it has, on SIGTERM, SIGINT or
when its input closes. It hides nothing: no request is tried again, every error is a visit too, and where the server
closed a connection the next visit has a new connection number.

Only the standard library is used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, cast

from kubechaos_helpers.http_answer import Answer, AnswerReader, NotHTTP, recognise_pod
from kubechaos_helpers.probe_job import (
    CUT_OFF,
    NAME_NOT_FOUND,
    NO_ANSWER,
    NOT_HTTP,
    NOT_TRUSTED,
    TIMEOUT,
    UNREACHABLE,
    Job,
    Row,
)

# What this machine lacks, not what the server did.
OWN_LIMITS = {
    errno.EADDRNOTAVAIL: "no local port left",
    errno.EMFILE: "too many open connections",
    errno.ENFILE: "too many open connections",
}
# The network's own words for an address that nobody has.
NOBODY_THERE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
BATCH_SECONDS = 0.1


class ProbeError(Exception):
    """A visit that got no whole answer; the text is the kind of error."""


class Connection(asyncio.Protocol):
    """One connection, with a number that is its own among all of the job."""

    transport: asyncio.Transport

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.is_open = False
        self._reader = AnswerReader()
        self._answered: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.is_open = True

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its whole answer; ProbeError when that is not to be had."""
        self._reader = AnswerReader()
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            self.close()  # nobody asked: what comes next could not be told apart
            return
        try:
            answer = self._reader.feed(data)
        except NotHTTP:
            self._fail(NOT_HTTP)
            return
        if answer:
            self._answered.set_result(answer)

    def eof_received(self) -> None:
        self._lose()

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(is_orderly=error is None)

    def _lose(self, is_orderly: bool = True) -> None:
        """The server ended the connection: the end of an answer, of none, or of one that is not whole."""
        self.is_open = False
        if self._answered is None or self._answered.done():
            return
        answer = self._reader.end() if is_orderly else None
        if answer:
            self._answered.set_result(answer)
        else:
            self._fail(CUT_OFF if self._reader.has_begun else NO_ANSWER)

    def _fail(self, kind: str) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(ProbeError(kind))

    def give_up(self) -> None:
        """The visitor's patience is at its end."""
        self._fail(TIMEOUT)

    def close(self) -> None:
        self.is_open = False
        self.transport.abort() if self._answered and not self._answered.done() else self.transport.close()


class LocalPorts:
    """Those that must rest, and those of them that are new: nothing came back to what was sent from there."""

    def __init__(self, resting: Iterable[int] = ()) -> None:
        self.resting = set(resting)
        self.unheard: list[int] = []

    def is_resting(self, sock: socket.socket) -> bool:
        return bool(self.resting) and sock.getsockname()[1] in self.resting

    def rest(self, sock: socket.socket) -> None:
        self.unheard.append(sock.getsockname()[1])
        self.resting.add(self.unheard[-1])


class Probe:
    """All visitors of one job; ``rows`` fills as they are served."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._connections = itertools.count(1)
        self._start = time.monotonic()
        self._context = job.credentials.context() if job.tls else None
        self._address: str | None = None
        self._request = _request(job)
        self.rows: list[Row] = []
        self.ports = LocalPorts(job.resting)

    async def run(self) -> None:
        """Serve the job to its end."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._job.visitors):
                group.create_task(self._visitor(number))

    async def _visitor(self, number: int) -> None:
        """Visits one after the other. With a rate, visitors come evenly spread, not all at the same moments."""
        connection: Connection | None = None
        first = time.monotonic() + (number / (self._job.rate * self._job.visitors) if self._job.rate else 0.0)
        for index in self._numbers():
            await self._wait_for_turn(index, first)
            if self._is_over():
                break
            connection = await self._visit(number, connection)
        if connection:
            connection.close()

    def _numbers(self) -> Iterator[int]:
        return iter(range(self._job.requests)) if self._job.requests else itertools.count()

    def _is_over(self) -> bool:
        return bool(self._job.duration) and time.monotonic() - self._start >= self._job.duration

    async def _wait_for_turn(self, index: int, first: float) -> None:
        delay = delay_before(self._job, index, first, self._start, time.monotonic())
        if delay > 0:
            await asyncio.sleep(delay)

    async def _visit(self, visitor: int, connection: Connection | None) -> Connection | None:
        """One request, on the connection that is open or on a new one. Returns the connection that stays open."""
        if connection is None or not connection.is_open:
            connection = Connection(next(self._connections))
        connection.requests += 1
        start = time.monotonic()
        pod, status, size, error, stays_open = "", 0, 0, "", False
        try:
            answer = await self._answer(connection)
            pod = recognise_pod(answer.headers, answer.body)
            status, size, stays_open = answer.status, len(answer.body), answer.stays_open
            error = f"HTTP {status}" if status >= 400 else ""
        except ProbeError as problem:
            error = str(problem)
        seconds = time.monotonic() - start
        times = round(start - self._start, 6), round(seconds, 6)
        self.rows.append(Row(*times, visitor, connection.number, connection.requests, pod, status, size, error))
        if stays_open and self._job.keep_alive:
            return connection
        if connection.is_open:
            connection.close()
        return None

    async def _answer(self, connection: Connection) -> Answer:
        """Connect if need be, and ask, both within the timeout."""
        deadline = time.monotonic() + self._job.timeout
        if not connection.is_open:
            await self._connect(connection)
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(deadline - time.monotonic(), connection.give_up)
        try:
            return await connection.ask(self._request)
        finally:
            alarm.cancel()

    async def _connect(self, connection: Connection) -> None:
        name = self._job.host if self._context else None
        try:
            async with asyncio.timeout(self._job.timeout):
                sock = await open_socket(self._address or await self._resolve(), self._job.port, self.ports)
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, sock=sock, ssl=self._context, server_hostname=name
                )
        except TimeoutError:
            raise ProbeError(UNREACHABLE) from None
        except OSError as error:
            raise ProbeError(_kind_of(error)) from None

    async def _resolve(self) -> str:
        """The host's address, IPv4 before IPv6; looked up until it is known, then kept."""
        found = await asyncio.get_running_loop().getaddrinfo(self._job.host, self._job.port, type=socket.SOCK_STREAM)
        found.sort(key=lambda each: each[0] != socket.AF_INET)
        self._address = str(found[0][4][0])
        return self._address


def delay_before(job: Job, index: int, first: float, began: float, now: float) -> float:
    """Seconds until the turn of a visitor's visit of that index; negative when it has passed.

    ``first``, the visitor's first turn, ``began``, the probe's beginning, and ``now`` are moments of one clock.
    """
    delay = first + index / job.rate - now if job.rate else 0.0
    if index and job.pause:
        delay = max(delay, job.pause)
    return min(delay, began + job.duration - now) if job.duration else delay


async def open_socket(host: str, port: int, ports: LocalPorts) -> socket.socket:
    """A connected socket; OSError when that is not to be had. Its local port rests if nothing comes back."""
    sock, is_connected = _begin_to_connect((host, port), ports)
    try:
        # On one machine a connection stands by the time that one asks again: that saves waiting for the loop.
        if not is_connected and not _is_connected(sock, (host, port)):
            await _finish_connecting(sock, (host, port))
    except BaseException as error:
        if not isinstance(error, OSError) or error.errno in NOBODY_THERE:
            ports.rest(sock)
        sock.close()
        raise
    return sock


def _begin_to_connect(address: tuple[str, int], ports: LocalPorts) -> tuple[socket.socket, bool]:
    """A socket whose local port does not rest, and whether it is connected already.

    Only a socket that has begun to connect has a local port. An attempt from one that rests goes where the last one
    went: it is no visit, and the port rests anew. Its socket stays open until another is found, so that the system does
    not choose the port again.
    """
    with contextlib.ExitStack() as passed_over:
        while True:
            sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            sock.setblocking(False)
            try:
                is_connected = _is_connected(sock, address)
            except OSError:
                sock.close()
                raise
            if not ports.is_resting(sock):
                return sock, is_connected
            ports.rest(sock)
            passed_over.enter_context(sock)


def _is_connected(sock: socket.socket, address: tuple[str, int]) -> bool:
    """Begin to connect, or ask how it stands; OSError as soon as it has failed: asking again would be a second try."""
    outcome = sock.connect_ex(address)
    if outcome not in (0, errno.EISCONN, errno.EINPROGRESS, errno.EALREADY):
        raise OSError(outcome, os.strerror(outcome))
    return outcome in (0, errno.EISCONN)


async def _finish_connecting(sock: socket.socket, address: tuple[str, int]) -> None:
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except OSError as error:
        if error.errno != errno.EISCONN:
            raise


def _request(job: Job) -> bytes:
    host = f"[{job.host}]" if ":" in job.host else job.host
    lines = {"Host": f"{host}:{job.port}", "Accept": "*/*", "User-Agent": "kubechaos-prober"} | job.credentials.headers
    lines["Connection"] = "keep-alive" if job.keep_alive else "close"
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {job.path} HTTP/1.1\r\n{fields}\r\n".encode()


def _kind_of(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return NAME_NOT_FOUND
    if isinstance(error, ssl.SSLCertVerificationError):
        return NOT_TRUSTED
    if error.errno in NOBODY_THERE:
        return UNREACHABLE
    return OWN_LIMITS.get(error.errno or 0, NO_ANSWER)


# --- the program


async def _main(job: Job) -> None:
    loop = asyncio.get_running_loop()
    probe = Probe(job)
    work = asyncio.ensure_future(probe.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(PermissionError):  # a file as standard input: it has no end to wait for
        loop.add_reader(sys.stdin.fileno(), work.cancel)  # the only thing left to read is the end of the input
    _write({"started": time.time()})
    while not work.done():
        await asyncio.wait([work], timeout=BATCH_SECONDS)
        await _flush(probe)
    await _flush(probe)
    _write({"done": not work.cancelled()})
    if not work.cancelled():
        work.result()


async def _flush(probe: Probe) -> None:
    """Write what has been seen since; on a thread, so that a slow reader does not stop the visitors."""
    if probe.rows or probe.ports.unheard:
        rows, probe.rows = probe.rows, []
        unheard, probe.ports.unheard = probe.ports.unheard, []
        await asyncio.to_thread(_write, {"visits": rows, "unheard": unheard})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job that standard input names."""
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(_main(Job.read(sys.stdin.readline())))


if __name__ == "__main__":
    main()
