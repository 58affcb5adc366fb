"""Answers are read whole however their bytes come, and the pod that they name is recognised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechaos_helpers.http_answer import AnswerReader, NotHTTP, recognise_pod

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "a length": (OK + b"Content-Length: 5\r\n\r\nhello", (200, b"hello", True)),
    "a length of nothing": (OK + b"content-length: 0\r\n\r\n", (200, b"", True)),
    "chunks": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n",
        (200, b"hello!", True),
    ),
    "chunks that hold line ends": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n9\r\na\r\n\r\n0\r\nb\r\n0\r\n\r\n",
        (200, b"a\r\n\r\n0\r\nb", True),
    ),
    "close after a length": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", False)),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", False)),
    "HTTP/1.0 kept alive": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        (200, b"ok", True),
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", True)),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, b"", True)),
    "no reason": (b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", (500, b"", True)),
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", (200, b"ok", True)),
}


def read(pieces):
    """What a reader makes of the pieces; the answer must come with the last one and not before."""
    reader = AnswerReader()
    *early, last = pieces
    assert [reader.feed(piece) for piece in early] == [None] * len(early)
    answer = reader.feed(last)
    return (answer.status, answer.body, answer.stays_open) if answer else None


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_is_whole_in_whatever_pieces_it_comes(name, size):
    data, expected = ANSWERS[name]
    assert read([data[start : start + size] for start in range(0, len(data), size)]) == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_ends_early_is_not_whole(name):
    data, _ = ANSWERS[name]
    reader = AnswerReader()
    assert reader.feed(data[:-1]) is None
    assert reader.has_begun
    assert reader.end() is None


def test_without_a_length_an_answer_ends_with_its_connection():
    reader = AnswerReader()
    assert reader.feed(OK + b"\r\nhel") is None
    assert reader.feed(b"lo") is None
    answer = reader.end()
    assert (answer.body, answer.stays_open) == (b"hello", False)


def test_what_follows_an_answer_unasked_ends_its_connection():
    assert AnswerReader().feed(OK + b"Content-Length: 2\r\n\r\nok?!").stays_open is False


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200\r\n\r\n",
        b"\x15\x03\x01",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: two\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"X: " + b"x" * 70_000,
    ],
)
def test_what_is_not_http_is_refused(data):
    with pytest.raises(NotHTTP):
        AnswerReader().feed(data)


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=20))
def test_chunks_of_any_size_and_content_are_put_together(content, sizes):
    chunks, rest = [], content
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, rest] if chunk) + b"0\r\n\r\n"
    answer = AnswerReader().feed(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.body == content


@pytest.mark.parametrize(
    ("headers", "body", "pod"),
    [
        ({"x-pod": "web-1"}, b"Served by pod: web-2", "web-1"),
        ({"x-served-by": "web-1"}, b"", "web-1"),
        ({"content-type": "application/json"}, b'{"pod": "web-1"}', "web-1"),
        ({"content-type": "application/json; charset=utf-8"}, b'{"hostname": "web-1", "n": 1}', "web-1"),
        ({"content-type": "application/json"}, b'{"pod": null, "hostname": 7}', ""),
        ({"content-type": "application/json"}, b'["Served by pod: web-1"]', "web-1"),
        ({"content-type": "application/json"}, b"{broken", ""),
        ({}, b"<p>Served by pod: <strong>kubechaos-7d9f-x2</strong></p>", "kubechaos-7d9f-x2"),
        ({}, b"<b>Served by pod:</b>\n  <code class='x'>web-1</code>.", "web-1"),
        ({}, b"Served by pod:&nbsp;web-1.", "web-1"),
        ({}, b"served by Pod: web-1\n", "web-1"),
        ({}, b"Served by nobody", ""),
        ({}, b"", ""),
    ],
)
def test_a_pod_is_recognised_by_header_by_json_or_by_the_words_of_a_page(headers, body, pod):
    assert recognise_pod(headers, body) == pod
