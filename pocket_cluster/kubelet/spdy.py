"""SPDY/3.1 frames, as far as ``kubectl port-forward`` uses them: bytes in, events out, and the reverse; no socket.

The format is that of the SPDY draft 3.1 (chromium.org, spdy-protocol-draft3-1), with the reading that spdystream has
of it: streams are opened by the client alone, and there are no flow control windows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
CONTROL = 0x80000000
FIN = 0x01
CANCEL = 5
LONGEST_HEADERS = 64 * 1024

# Both ends of a connection begin compressing with these words before them (draft 3.1, 2.6.10.1).
_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow"
    " authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status"
)
_MORE_NAMES = "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203"
    " Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug"
    " Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack("!I", len(word)) + word.encode() for word in (*_NAMES.split(), *_MORE_NAMES)) + _REST.encode()
)


class SpdyError(Exception):
    """What arrived is not SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opens a stream; header names are in lower case."""

    stream: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a stream; ``last`` when the client sends no more of it."""

    stream: int
    content: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The client has lost interest in a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with the same number."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The client opens no more streams."""


Event = Opened | Data | Reset | Ping | GoAway


class Decoder:
    """What the client of one connection says."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._headers = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, content: bytes) -> Iterator[Event]:
        """The events that are complete with these bytes; SpdyError when they make no sense."""
        self._buffer += content
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from("!II", self._buffer)
            end = 8 + (second & 0xFFFFFF)
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[8:end])
            del self._buffer[:end]
            yield from self._frame(first, second >> 24, body)

    def _frame(self, first: int, flags: int, body: bytes) -> Iterator[Event]:
        if not first & CONTROL:
            yield Data(first, body, bool(flags & FIN))
            return
        if (first >> 16) & 0x7FFF != VERSION:
            raise SpdyError("this is not SPDY version 3")
        try:
            yield from self._control(first & 0xFFFF, flags, body)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a control frame cannot be read: {error}") from error

    def _control(self, kind: int, flags: int, body: bytes) -> Iterator[Event]:
        """One control frame; settings and the like say nothing that matters here."""
        if kind == GOAWAY:
            yield GoAway()
        elif kind in (SYN_STREAM, RST_STREAM, PING):
            number = struct.unpack_from("!I", body)[0]
            if kind == PING:
                yield Ping(number)
            elif kind == RST_STREAM:
                yield Reset(number & ~CONTROL)
            else:
                yield Opened(number & ~CONTROL, self._read_headers(body[10:]))
                if flags & FIN:
                    yield Data(number & ~CONTROL, b"", True)

    def _read_headers(self, block: bytes) -> dict[str, str]:
        content = self._headers.decompress(block, LONGEST_HEADERS)
        if self._headers.unconsumed_tail:
            raise SpdyError("the headers of a stream are too long")
        count, position = struct.unpack_from("!I", content)[0], 4
        texts = []
        for _ in range(2 * count):
            length = struct.unpack_from("!I", content, position)[0]
            texts.append(content[position + 4 : position + 4 + length].decode())
            position += 4 + length
        return dict(zip((name.lower() for name in texts[::2]), texts[1::2], strict=True))


class Encoder:
    """What the server of one connection says."""

    def __init__(self) -> None:
        self._headers = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """A stream is accepted; without headers."""
        block = self._headers.compress(struct.pack("!I", 0)) + self._headers.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack("!I", stream) + block)

    def data(self, stream: int, content: bytes, last: bool = False) -> bytes:
        return struct.pack("!II", stream, (FIN if last else 0) << 24 | len(content)) + content

    def reset(self, stream: int) -> bytes:
        """The stream is over, whatever was still to come."""
        return _control(RST_STREAM, struct.pack("!II", stream, CANCEL))

    def ping(self, number: int) -> bytes:
        return _control(PING, struct.pack("!I", number))


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack("!II", CONTROL | VERSION << 16 | kind, len(body)) + body
