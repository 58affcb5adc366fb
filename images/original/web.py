"""A small web server: HTTP/1.1 (RFC 9110 and 9112) with connections that stay open, and an end in good order.

``run(answer)`` listens on every address, on port 3000 or $PORT, and calls ``answer`` for each request.
"""

import asyncio
import itertools
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

IDLE_SECONDS = 5.0  # how long a connection may stay open without a whole request: Node's default
LINGER_SECONDS = 1.0  # how long a refused visitor may go on talking before we hang up
LAST_CALL_SECONDS = 0.05  # what is on its way when we are asked to stop is still answered
LONGEST_REQUEST = 16 * 1024  # bytes, without a body; this server takes none
PLAIN = "text/plain; charset=utf-8"


class Refused(Exception):
    """A request that gets no page but a sentence."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.answer = Answer(status, PLAIN, sentence + "\n", headers)


class Request:
    """What a visitor asked for. Names of headers are in small letters."""

    def __init__(self, method: str, target: str, headers: dict[str, str], keep_alive: bool, has_body: bool) -> None:
        path, _, self.query = re.sub("^https?://[^/?]*", "", target).partition("?")
        self.method, self.path, self.headers = method, path or "/", headers
        self.keep_alive, self.has_body = keep_alive, has_body


class Answer:
    """What a visitor gets."""

    def __init__(self, status: int, content_type: str, text: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.content_type, self.text, self.headers = status, content_type, text, headers or {}

    def encode(self, with_body: bool, keep_alive: bool) -> bytes:
        """The answer as it goes over the wire."""
        body = self.text.encode()
        headers = {
            "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            "Content-Type": self.content_type,
            "Content-Length": len(body),
            "Cache-Control": "no-store",
            "Connection": "keep-alive" if keep_alive else "close",
            **({"Keep-Alive": f"timeout={IDLE_SECONDS:.0f}"} if keep_alive else {}),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (body if with_body else b"")


numbers = itertools.count(1)


class Connection:
    """One visitor's connection. It gets its number with its first page: health checks are no visitors."""

    number = 0
    pages = 0
    last = ""

    def count_page(self) -> None:
        self.number = self.number or next(numbers)
        self.pages += 1


def read_request(head: bytes) -> Request:
    """Take the lines before the body apart; Refused if they are not HTTP/1.1."""
    line, *fields = head.decode("latin-1").strip("\r\n").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or not re.fullmatch("[A-Za-z-]+", words[0]) or not words[1]:
        raise Refused(400, "This is not an HTTP request.")
    method, target, protocol = words
    if protocol not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(505, "This server speaks HTTP/1.1.")
    headers = dict(map(read_field, fields))
    if protocol == "HTTP/1.1" and "host" not in headers:
        raise Refused(400, "HTTP/1.1 wants a Host header.")
    wish = headers.get("connection", "").lower()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    keep_alive = not has_body and ("close" not in wish if protocol == "HTTP/1.1" else "keep-alive" in wish)
    return Request(method, target, headers, keep_alive, has_body)


def read_field(line: str) -> tuple[str, str]:
    """``Host: here`` becomes ``("host", "here")``."""
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise Refused(400, "This is not an HTTP header.")
    return name.lower(), value.strip()


class Server:
    """All open connections, and their end."""

    def __init__(self, answer: Callable[[Request, Connection], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._stopping = False
        self._open: dict[asyncio.Task[None] | None, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection from its first request to its last."""
        task = asyncio.current_task()
        self._open[task] = reader, writer
        try:
            with suppress(ConnectionError, TimeoutError):
                await self._converse(reader, writer)
        finally:
            del self._open[task]
            writer.close()

    async def stop(self) -> None:
        """Finish what is being served, and take no further request."""
        self._stopping = True
        await asyncio.sleep(LAST_CALL_SECONDS)
        for reader, writer in self._open.values():
            hear_no_more(reader, writer)
        await asyncio.gather(*filter(None, self._open), return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, keep_alive = Connection(), True
        while keep_alive:
            head, request = b"", None
            try:
                head = await next_head(reader, writer)
                if not head:
                    return
                request = read_request(head)
                answer = await self._answer(request, connection)
            except Refused as refusal:
                answer = refusal.answer
            except ConnectionError:  # the visitor has reset the connection
                return
            except Exception:
                traceback.print_exc()
                answer = Answer(500, PLAIN, "This program has a mistake: see its log.\n")
            keep_alive = request is not None and request.keep_alive and not self._stopping
            writer.write(answer.encode(request is None or request.method != "HEAD", keep_alive))
            log(writer, head, answer, connection)
            async with asyncio.timeout(IDLE_SECONDS):
                await writer.drain()
            if request is None or request.has_body:
                await hear_out(reader, writer)


async def next_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The next request without its body; empty when the visitor has gone or asks nothing for IDLE_SECONDS."""
    timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, hear_no_more, reader, writer)
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial.strip():
            raise Refused(408, f"No whole HTTP request came within {IDLE_SECONDS:.0f} seconds.") from end
        return b""
    except asyncio.LimitOverrunError as error:
        raise Refused(431, f"A request may have {LONGEST_REQUEST} bytes.") from error
    finally:
        timer.cancel()


def hear_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As if the visitor had said all: what has arrived whole is still answered."""
    if isinstance(writer.transport, asyncio.Transport) and not writer.is_closing():
        writer.transport.pause_reading()
        reader.feed_eof()


async def hear_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hanging up on a visitor who still talks would destroy the answer on its way (RFC 9112, 9.6)."""
    writer.write_eof()
    async with asyncio.timeout(LINGER_SECONDS):
        while await reader.read(LONGEST_REQUEST):
            pass


def log(writer: asyncio.StreamWriter, head: bytes, answer: Answer, connection: Connection) -> None:
    """One line a request; ``ascii`` keeps a visitor's control characters out of the reader's terminal."""
    line = head.lstrip().split(b"\r\n", 1)[0][:200].decode("latin-1")
    which = f" connection {connection.number} request {connection.pages}" if connection.pages else ""
    print(f"{writer.get_extra_info('peername')[0]} {line!a} {answer.status}{which}", flush=True)


def run(answer: Callable[[Request, Connection], Awaitable[Answer]]) -> None:
    """Serve until SIGTERM (Kubernetes) or SIGINT (Ctrl+C); then finish what is being served, and return."""
    asyncio.run(serve(answer, read_port(os.environ.get("PORT", "3000"))))


def read_port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        sys.exit(f"PORT is {text!r}: write a number up to 65535, such as 3000 (0: any free one).")
    return int(text)


async def serve(answer: Callable[[Request, Connection], Awaitable[Answer]], port: int) -> None:
    server, asked_to_stop = Server(answer), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    try:
        door = await asyncio.start_server(server.welcome, "0.0.0.0", port, limit=LONGEST_REQUEST, backlog=1024)
    except OSError as error:
        sys.exit(f"Nothing can listen on port {port} here ({os.strerror(error.errno or 0)}). Choose another with PORT.")
    print(f"listens on port {door.sockets[0].getsockname()[1]}", flush=True)
    await asked_to_stop.wait()
    door.close()
    await server.stop()
    print("asked to stop: finished what was being served", flush=True)
