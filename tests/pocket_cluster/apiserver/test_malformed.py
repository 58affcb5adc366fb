"""Thousands of requests that are nearly right: each is answered, none with a mistake of our own, and nobody else waits.

``KUBECHAOS_MALFORMED=100000`` sends more, ``KUBECHAOS_MALFORMED_SEED`` others.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
from collections import Counter
from typing import Any

import pytest
from malformed import NAMESPACE, Request, config_map_in_protobuf, requests

NUMBER = int(os.environ.get("KUBECHAOS_MALFORMED") or 5000)
SEED = int(os.environ.get("KUBECHAOS_MALFORMED_SEED") or 1)
EVERY = 50  # so often somebody else asks something, and somebody begins a request without an end
DEADLINE_SECONDS = 30
HUNG_UP = (ConnectionError, ssl.SSLError)  # no time-out is among these
LARGE, REFUSED_UNREAD = 64 * 1024, 1
OUR_MISTAKE = "Internal error occurred: "


class Wire:
    """One connection after another, without what http.client would mend."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._socket: ssl.SSLSocket | None = None

    def ask(self, request: Request) -> tuple[int, str]:
        """The answer's code and its body; of a watch the code alone. A server may close what it has kept open."""
        kept, self._socket = self._socket, None
        if kept:
            with contextlib.suppress(*HUNG_UP):
                return self._ask(kept, request)
        return self._ask(self._connect(), request)

    def _ask(self, connection: ssl.SSLSocket, request: Request) -> tuple[int, str]:
        with contextlib.suppress(*HUNG_UP):  # a large body may be refused before all of it is sent
            connection.sendall(request.encoded())
        response = http.client.HTTPResponse(connection, method=request.method)
        response.begin()
        if response.headers.get("Transfer-Encoding") == "chunked":
            connection.close()
            return response.status, ""
        text = response.read().decode(errors="replace")
        if response.will_close:
            connection.close()
        else:
            self._socket = connection
        return response.status, text

    def _connect(self) -> ssl.SSLSocket:
        host, _, port = self._api._host.partition(":")
        plain = socket.create_connection((host, int(port)), DEADLINE_SECONDS)
        return self._api._context.wrap_socket(plain, server_hostname=host)  # type: ignore[no-any-return]

    def begin(self, request: Request) -> ssl.SSLSocket:
        """Send a part of it, and no more."""
        connection = self._connect()
        whole = request.encoded()
        connection.sendall(whole[: len(whole) * 2 // 3])
        return connection


@pytest.mark.timeout(300 + NUMBER // 10)
def test_each_is_answered_and_nobody_else_waits(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    api.must("POST", "namespaces", {"metadata": {"name": "malformed"}})
    wire, codes, left, mistakes = Wire(api), Counter[int](), list[ssl.SSLSocket](), list[str]()
    token = {"Authorization": api._headers["Authorization"]}
    for number, spoilt in enumerate(requests(SEED, NUMBER)):
        request = spoilt._replace(headers={**spoilt.headers, **token})
        try:
            code, text = wire.ask(request)
        except (OSError, http.client.HTTPException) as error:
            code, text = 0, repr(error)
            # As of any server: what was still on its way has destroyed the answer.
            if isinstance(error, HUNG_UP) and len(request.body) > LARGE:
                code = REFUSED_UNREAD
        codes[code] += 1
        if code == 0 or (code >= 500 and OUR_MISTAKE in text):
            mistakes.append(f"{number} of seed {SEED}: {spoilt!r:.600} → {code} {text[:200]}")
        if number % EVERY == 0:
            left.append(wire.begin(request))
            assert api.send("GET", f"{NAMESPACE}").code == 200
    for connection in left:
        connection.close()
    print("seed", SEED, dict(sorted(codes.items())))
    assert not mistakes, "\n".join(mistakes[:20]) + f"\n{len(mistakes)} in all"
    assert len(codes) > 8
    assert not [record for record in caplog.records if record.exc_info], "a traceback for what a client did wrong"
    api.must("DELETE", "namespaces/malformed")


@pytest.mark.parametrize(
    ("created", "text", "fields", "code"),
    [
        (0, b"b", b"{}", 201),
        (0, "é".encode(), b'{"f:data":{}}', 201),
        (2**62, b"b", b"{}", 400),
        (0, b"\xff", b"{}", 400),
        (0, b"b", b"not json", 400),
        (0, b"b", b"\xff\xfe", 400),
        (0, b"b", b"[" * 100_000, 400),
    ],
)
def test_a_protobuf_message_is_read_or_refused(api: Any, created: int, text: bytes, fields: bytes, code: int) -> None:
    body = config_map_in_protobuf(created, text, fields, b"in-protobuf")
    answer = api.send("POST", "configmaps", body, {"Content-Type": "application/vnd.kubernetes.protobuf"})
    if code == 201:
        api.must("DELETE", "configmaps/in-protobuf")
    assert answer.code == code, answer.body


def test_a_seed_always_gives_the_same() -> None:
    assert list(requests(7, 50)) == list(requests(7, 50))
    assert list(requests(7, 50)) != list(requests(8, 50))
