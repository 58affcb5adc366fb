"""The load generator, a program of its own: ``python -m kubechaos_helpers.prober``, so that drawing cannot disturb it.

It reads one job as a JSON line from standard input and writes JSON lines: batches of visits, then ``{"done": true}``.
It ends early, with what it has, on SIGTERM, SIGINT or when its input closes. It hides nothing: no request is tried
again, every error is a visit too, and a connection that the server closed shows as a new connection number.

Only the standard library is used here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Kinds of error. Refused, and reset or closed before the first byte, are one kind: nobody answered.
NO_ANSWER, CUT_OFF, TIMEOUT, NOT_HTTP = "no answer", "cut off", "timeout", "not HTTP"
NAME_NOT_FOUND = "name not found"
POD_HEADERS = ("x-pod", "x-pod-name", "x-served-by", "x-hostname")
POD_KEYS = ("pod", "podName", "pod_name", "hostname", "host")
POD_WORDS = re.compile(rb"Served by pod:\s*(?:<[^>]*>\s*)*([A-Za-z0-9][A-Za-z0-9.-]*)")
LARGEST_HEAD = 64 * 1024
BATCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What to do. Seconds throughout; ``rate`` is requests a second of each visitor, 0 for as fast as it goes."""

    host: str
    port: int
    path: str = "/"
    visitors: int = 1
    requests: int = 20
    keep_alive: bool = True
    timeout: float = 5.0
    rate: float = 0.0
    pause: float = 0.0
    duration: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    ca_file: str = ""
    tls: bool = False


class Row(NamedTuple):
    """One visit as it is written: times in seconds since the start of the job."""

    start: float
    seconds: float
    visitor: int
    connection: int
    number: int
    pod: str
    status: int
    size: int
    error: str


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    stays_open: bool


class ProbeError(Exception):
    """A visit that got no whole answer; the text is the kind of error."""


# --- one connection


class Connection:
    """One TCP connection, with a number that is its own among all of the job."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number, self._reader, self._writer = number, reader, writer
        self.requests = 0

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed it while it was idle."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def ask(self, request: bytes) -> Answer:
        """Send one request and read its whole answer; ProbeError when that is not to be had."""
        self.requests += 1
        try:
            self._writer.write(request)
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise ProbeError(CUT_OFF if error.partial else NO_ANSWER) from None
        except asyncio.LimitOverrunError:
            raise ProbeError(NOT_HTTP) from None
        except OSError:
            raise ProbeError(NO_ANSWER) from None
        status, headers = parse_head(head)
        try:
            body, is_delimited = await self._body(status, headers)
        except (asyncio.IncompleteReadError, OSError, ValueError):
            raise ProbeError(CUT_OFF) from None
        return Answer(status, headers, body, is_delimited and headers.get("connection", "").lower() != "close")

    async def _body(self, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
        if status in (204, 304):
            return b"", True
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await self._chunks(), True
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"])), True
        return await self._reader.read(), False

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return body

    def close(self) -> None:
        self._writer.close()


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case) of an answer; ProbeError when it is not HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.match(r"HTTP/1\.\d (\d{3})\b", first)
    if not found:
        raise ProbeError(NOT_HTTP)
    pairs = (line.partition(":") for line in lines if line)
    return int(found[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def recognise_pod(headers: dict[str, str], body: bytes) -> str:
    """The pod that an answer names: by header, by JSON, or by the words of a page; ``""`` when it names none."""
    for name in POD_HEADERS:
        if headers.get(name):
            return headers[name]
    if "json" in headers.get("content-type", ""):
        with contextlib.suppress(ValueError):
            content = json.loads(body)
            if isinstance(content, dict):
                return next((str(content[key]) for key in POD_KEYS if content.get(key)), "")
    found = POD_WORDS.search(body)
    return found[1].decode() if found else ""


# --- the job


class Probe:
    """All visitors of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._connections = 0
        self._start = time.monotonic()
        self._context = ssl.create_default_context(cafile=job.ca_file or None) if job.tls else None
        self.rows: list[Row] = []
        lines = {"Host": f"{job.host}:{job.port}", "Accept": "*/*", "User-Agent": "kubechaos-prober"} | job.headers
        lines["Connection"] = "keep-alive" if job.keep_alive else "close"
        fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._request = f"GET {job.path} HTTP/1.1\r\n{fields}\r\n".encode()

    async def run(self) -> None:
        await asyncio.gather(*(self._visitor(number) for number in range(self._job.visitors)))

    async def _visitor(self, number: int) -> None:
        connection: Connection | None = None
        loop = asyncio.get_running_loop()
        first = loop.time()
        for index in self._numbers():
            await self._wait_for_turn(index, first)
            if self._is_over():
                break
            connection = await self._visit(number, connection)
        if connection:
            connection.close()

    def _numbers(self) -> Iterator[int]:
        if self._job.duration and not self._job.requests:
            return iter(range(sys.maxsize))
        return iter(range(self._job.requests))

    def _is_over(self) -> bool:
        return bool(self._job.duration) and time.monotonic() - self._start >= self._job.duration

    async def _wait_for_turn(self, index: int, first: float) -> None:
        if self._job.rate:
            delay = first + index / self._job.rate - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, delay))
        elif self._job.pause and index:
            await asyncio.sleep(self._job.pause)

    async def _visit(self, visitor: int, connection: Connection | None) -> Connection | None:
        """One request, on the connection that is open or on a new one. Returns the connection that stays open."""
        start, status, size, pod, error = time.monotonic(), 0, 0, "", ""
        if connection and connection.is_closed:
            connection.close()
            connection = None
        number, on_connection = self._connections + 1, 1
        stays_open = False
        try:
            async with asyncio.timeout(self._job.timeout):
                if connection is None:
                    self._connections = number
                    connection = await self._connect(number)
                answer = await connection.ask(self._request)
                number, on_connection = connection.number, connection.requests
            status, size, stays_open = answer.status, len(answer.body), answer.stays_open
            pod = recognise_pod(answer.headers, answer.body)
            error = f"HTTP {status}" if status >= 400 else ""
        except TimeoutError:
            error = TIMEOUT
        except ProbeError as problem:
            error = str(problem)
        if error and connection:
            number, on_connection = connection.number, max(1, connection.requests)
        moment = start - self._start
        self.rows.append(
            Row(
                round(moment, 6),
                round(time.monotonic() - start, 6),
                visitor,
                number,
                on_connection,
                pod,
                status,
                size,
                error,
            )
        )
        if connection and not (self._job.keep_alive and stays_open):
            connection.close()
            return None
        return connection

    async def _connect(self, number: int) -> Connection:
        try:
            reader, writer = await asyncio.open_connection(
                self._job.host, self._job.port, ssl=self._context, limit=LARGEST_HEAD
            )
        except OSError as error:
            unknown_name = type(error).__name__ == "gaierror"
            raise ProbeError(NAME_NOT_FOUND if unknown_name else NO_ANSWER) from None
        return Connection(number, reader, writer)


async def _main(job: Job) -> None:
    probe = Probe(job)
    work = asyncio.ensure_future(probe.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    loop.add_reader(sys.stdin.fileno(), work.cancel)  # the only thing left to read is the end of the input
    while not work.done():
        await asyncio.wait([work], timeout=BATCH_SECONDS)
        _flush(probe)
    _flush(probe)
    _write({"done": not work.cancelled()})
    if not work.cancelled():
        work.result()


def _flush(probe: Probe) -> None:
    if probe.rows:
        rows, probe.rows = probe.rows, []
        _write({"visits": rows})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job that standard input names."""
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(_main(Job(**json.loads(sys.stdin.readline()))))


if __name__ == "__main__":
    main()
