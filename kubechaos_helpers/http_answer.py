"""Answers of web servers, as pure functions of bytes: where an answer ends, and which pod it names.

HTTP/1.1 as RFC 9112 has it, for GET alone. Only the standard library: the prober's own process uses this.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import NamedTuple

POD_HEADERS = ("x-pod", "x-pod-name", "x-served-by", "x-hostname")
POD_KEYS = ("pod", "podName", "pod_name", "hostname", "host")
POD_WORDS = re.compile(rb"(?i)Served by pod:(?:\s|&nbsp;|<[^>]*>)*([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)")
STATUS_LINE = re.compile(rb"HTTP/1\.(\d) (\d{3})(?: [^\r\n]*)?")
LARGEST_HEAD = 64 * 1024
WITHOUT_BODY = (204, 304)


class NotHTTP(Exception):
    """What came is no answer of a web server."""


class Answer(NamedTuple):
    """One whole answer; ``stays_open`` tells whether its connection may carry another request."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    stays_open: bool


class AnswerReader:
    """Reads one answer from bytes as they come."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._may_stay_open = False
        self._place = 0  # up to where ``_data`` has been understood
        self._length: int | None = None  # of the body, where it is known in advance
        self._chunks: list[bytes] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a first byte has come."""
        return bool(self._data)

    def feed(self, data: bytes) -> Answer | None:
        """Take in more bytes; the answer once it is whole. NotHTTP when it cannot become one."""
        self._data += data
        if not self._status and not self._read_head():
            return None
        if self._chunks is not None:
            return self._read_chunks(self._chunks)
        if self._length is not None and len(self._data) >= self._place + self._length:
            end = self._place + self._length
            return self._answer(bytes(self._data[self._place : end]), end)
        return None

    def end(self) -> Answer | None:
        """The connection was closed: the answer if that is how it ends, None if it is cut off."""
        if not self._status or self._chunks is not None or self._length is not None:
            return None
        self._may_stay_open = False
        return self._answer(bytes(self._data[self._place :]), len(self._data))

    def _answer(self, body: bytes, end: int) -> Answer:
        return Answer(self._status, self._headers, body, self._may_stay_open and end == len(self._data))

    def _read_head(self) -> bool:
        """Find the end of the head and learn how the body ends; heads of 1xx are passed over (RFC 9110, 15.2)."""
        while not self._status:
            _check_start(self._data)
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                if len(self._data) > LARGEST_HEAD:
                    raise NotHTTP
                return False
            status, version = self._parse_head(bytes(self._data[:end]))
            if 100 <= status < 200:
                del self._data[: end + 4]
                continue
            self._status, self._place = status, end + 4
            self._learn_framing(version)
        return True

    def _parse_head(self, head: bytes) -> tuple[int, int]:
        first, *lines = head.split(b"\r\n")
        found = STATUS_LINE.fullmatch(first)
        if not found:
            raise NotHTTP
        self._headers = {}
        for line in lines:
            name, _, value = line.decode("latin-1").partition(":")
            self._headers[name.lower()] = value.strip()
        return int(found[2]), int(found[1])

    def _learn_framing(self, version: int) -> None:
        connection = self._headers.get("connection", "").lower()
        self._may_stay_open = "close" not in connection if version else "keep-alive" in connection
        length = self._headers.get("content-length")
        if self._status in WITHOUT_BODY:
            self._length = 0
        elif "chunked" in self._headers.get("transfer-encoding", "").lower():
            self._chunks = []
        elif length is not None:
            if not length.isascii() or not length.isdigit():
                raise NotHTTP
            self._length = int(length)

    def _read_chunks(self, chunks: list[bytes]) -> Answer | None:
        """Chunks as far as they have come: size in hexadecimal, line end, bytes, line end; size 0, trailers."""
        while (line_end := self._data.find(b"\r\n", self._place)) >= 0:
            size = _chunk_size(bytes(self._data[self._place : line_end]))
            if size == 0:
                end = self._data.find(b"\r\n\r\n", line_end)
                return self._answer(b"".join(chunks), end + 4) if end >= 0 else None
            end = line_end + 2 + size
            if len(self._data) < end + 2:
                return None
            chunks.append(bytes(self._data[line_end + 2 : end]))
            self._place = end + 2
        return None


def _check_start(data: bytearray) -> None:
    start = b"HTTP/1."
    if data[: len(start)] != start[: len(data)]:
        raise NotHTTP


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16)
    except ValueError:
        raise NotHTTP from None


def recognise_pod(headers: dict[str, str], body: bytes) -> str:
    """The pod that an answer names: by header, by JSON, or by the words of a page; ``""`` when it names none."""
    for name in POD_HEADERS:
        if headers.get(name):
            return headers[name]
    if "json" in headers.get("content-type", ""):
        with contextlib.suppress(ValueError):
            content = json.loads(body)
            named = (content.get(key) for key in POD_KEYS) if isinstance(content, dict) else ()
            for value in named:
                if value and isinstance(value, str):
                    return value
    found = POD_WORDS.search(body)
    return found[1].decode() if found else ""
