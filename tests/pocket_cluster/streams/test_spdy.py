"""SPDY frames are read in whatever pieces they come, and what is not SPDY is refused."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocket_cluster.kubelet.spdy import (
    DICTIONARY,
    Data,
    Decoder,
    Encoder,
    Event,
    GoAway,
    Opened,
    Ping,
    Reset,
    SpdyError,
)

# What kubectl says of the first stream of a connection.
HEADERS = {"streamtype": "error", "port": "3000", "requestid": "0"}


class Client:
    """What a client's bytes look like."""

    def __init__(self) -> None:
        self._compress = zlib.compressobj(zdict=DICTIONARY)

    def opened(self, stream: int, headers: dict[str, str], flags: int = 0) -> bytes:
        block = struct.pack("!I", len(headers))
        for text in (text for pair in headers.items() for text in pair):
            block += struct.pack("!I", len(text)) + text.encode()
        packed = self._compress.compress(block) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack("!IIH", stream, 0, 0) + packed, flags)


def control(kind: int, body: bytes, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, flags << 24 | len(body)) + body


@given(st.lists(st.integers(1, 40), min_size=1))
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    client = Client()
    content = client.opened(1, HEADERS, flags=1) + client.opened(3, {**HEADERS, "streamtype": "data"})
    content += Encoder().data(3, b"hello") + Encoder().data(3, b"", last=True)
    content += control(4, b"\0" * 4) + Encoder().ping(1) + Encoder().reset(3) + control(7, b"\0" * 8)
    events: list[Event] = []
    decoder, position = Decoder(), 0
    for cut in [*cuts, len(content)]:
        events += decoder.feed(content[position : position + cut])
        position += cut
    assert events == [
        Opened(1, HEADERS),
        Data(1, b"", True),
        Opened(3, {**HEADERS, "streamtype": "data"}),
        Data(3, b"hello", False),
        Data(3, b"", True),
        Ping(1),
        Reset(3),
        GoAway(),
    ]


def test_a_reply_has_no_headers_and_replies_share_their_compression() -> None:
    encoder, inflate = Encoder(), zlib.decompressobj(zdict=DICTIONARY)
    for stream in (1, 3):
        reply = encoder.reply(stream)
        assert struct.unpack_from("!HHII", reply) == (0x8003, 2, len(reply) - 8, stream)
        assert inflate.decompress(reply[12:]) == b"\0\0\0\0"


@pytest.mark.parametrize(
    "content",
    [
        control(1, b"\0" * 10 + b"no zlib"),
        control(1, b""),
        control(6, b"\0"),
        control(1, b"\0" * 20, version=2),
        Client().opened(1, {"x": "y" * 70_000}),
    ],
)
def test_what_is_not_spdy_is_refused(content: bytes) -> None:
    with pytest.raises(SpdyError):
        list(Decoder().feed(content))


@given(st.binary(max_size=200))
def test_any_bytes_are_whole_frames_or_refused(content: bytes) -> None:
    with contextlib.suppress(SpdyError):
        assert len(list(Decoder().feed(content))) <= len(content) // 8
