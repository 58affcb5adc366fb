"""Connections into a pod on which something else is said than the protocol has: each ends alone, and nothing stays.

``KUBECHAOS_FRAMES=5000`` opens more connections, ``KUBECHAOS_FRAMES_SEED`` others.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from component import commands_in, process_of
from eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from conftest import Cluster

NUMBER = int(os.environ.get("KUBECHAOS_FRAMES") or 150)
SEED = int(os.environ.get("KUBECHAOS_FRAMES_SEED") or 1)
EXEC = "exec?container=web&command=cat&stdin=true&stdout=true&stderr=true&tty={tty}"
WEBSOCKET = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
PROTOCOLS = {
    EXEC: ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io", "nosuch"),
    "portforward?ports=3000": ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", "nosuch"),
}
COMPONENTS = ("apiserver", "kubelet", "runtime")


def upgrade(cluster: Cluster, pod: str, random: Random) -> bytes:
    """The request that opens a connection, by WebSocket or SPDY."""
    path, protocols = random.choice(list(PROTOCOLS.items()))
    path = path.format(tty=random.choice(("true", "false")))
    if random.random() < 0.3:
        asked = "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: " + random.choice(("v4.channel.k8s.io", "nosuch"))
    else:
        asked = f"{WEBSOCKET}\r\nSec-WebSocket-Protocol: {random.choice(protocols)}"
    method = "GET" if "websocket" in asked else "POST"
    return "\r\n".join(
        [
            f"{method} /api/v1/namespaces/default/pods/{pod}/{path} HTTP/1.1",
            f"Host: a\r\nConnection: Upgrade\r\n{asked}",
            f"Authorization: Bearer {cluster.home.credentials('admin').token}\r\n\r\n",
        ]
    ).encode()


def frame(random: Random) -> bytes:
    """One of WebSocket's that is nearly right: of any kind, masked or not, of a true length or another."""
    content = random.choice(
        (
            b"",
            bytes([random.randrange(256)]),
            b"\0hello\n",
            b'\4{"Width": 1e400, "Height": []}',
            b"\4{",
            b'\4{"Width": 70000, "Height": -1}',
            b"\4" + b"[" * 100_000,
            b"\xff\0",
            b"\xff",
            b"0aGk=",
            random.randbytes(300),
            bytes(70_000),
        )
    )
    first = (
        random.choice((0x80, 0x00)) | random.choice((0, 1, 2, 2, 2, 3, 8, 9, 10, 15)) | random.choice((0, 0, 0, 0x40))
    )
    length = random.choice((len(content),) * 6 + (0, 2**16, 2**63))
    mask = random.choice((0x80, 0x80, 0x80, 0))
    head = struct.pack("!BB", first, mask | min(length, 125)) if length < 126 else b""
    if not head and length < 2**16:
        head = struct.pack("!BBH", first, mask | 126, length)
    head = head or struct.pack("!BBQ", first, mask | 127, length)
    return head + (bytes(4) if mask else b"") + content


def spdy(random: Random) -> bytes:
    kind = random.choice((1, 2, 3, 4, 6, 7, 8, 9, 0xFFFF))
    body = random.choice((b"", bytes(4), bytes(10), random.randbytes(40), bytes(5000)))
    length = random.choice((len(body), len(body), 0, 2**24 - 1))
    return struct.pack("!HHI", random.choice((0x8003, 0x8002, 0)), kind, length) + body


def say(cluster: Cluster, pod: str, random: Random) -> None:
    """Open one connection, say some of it, and go away in one of the ways there are."""
    context = ssl.create_default_context(cafile=cluster.home.credentials("admin").ca_file)
    plain = socket.create_connection(("127.0.0.1", cluster.home.api_port), DEADLINE_SECONDS)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        request = upgrade(cluster, pod, random)
        connection.sendall(request)
        with contextlib.suppress(OSError):
            if random.random() < 0.8:
                connection.recv(1000)
            for _ in range(random.randrange(8)):
                said = spdy(random) if b"SPDY/3.1\r\n" in request else frame(random)
                connection.sendall(random.choice((said, said, random.randbytes(random.randrange(1, 200)))))
            if random.random() < 0.3:
                connection.unwrap()


@pytest.mark.timeout(300 + NUMBER)
def test_each_ends_alone_and_nothing_stays(cluster: Cluster) -> None:
    pod, random = cluster.pods()[0], Random(SEED)
    processes = {name: process_of(cluster.home, name) for name in COMPONENTS}
    for number in range(NUMBER):
        say(cluster, pod, random)
        if number % 50 == 0:
            assert cluster.output("exec", pod, "--", "echo", "others are answered") == "others are answered\n"
    assert {name: process_of(cluster.home, name) for name in COMPONENTS} == processes
    assert eventually(lambda: cats_in(cluster), "no command is left", so=lambda found: not found) == []
    logs = {name: cluster.home.log_of(name).read_text() for name in COMPONENTS}
    for name, text in logs.items():
        assert "Traceback" not in text, (name, text[text.index("Traceback") :][:3000])


def cats_in(cluster: Cluster) -> list[list[str]]:
    """The commands that run in the cluster's pods because of a connection."""
    return [words for words in commands_in(cluster.home) if Path(words[0]).name == "cat"]
