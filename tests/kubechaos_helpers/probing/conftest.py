"""Small web servers that misbehave, one way each, for as long as a ``with`` block lasts."""

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import pytest

OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b"<p>Served by pod: <strong>web-1</strong></p>"
ANSWER = OK + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE


class Server(NamedTuple):
    url: str
    requests: list[bytes]


@contextlib.contextmanager
def server(serve: Callable[..., None]) -> Iterator[Server]:
    """``serve(connection, number, requests)`` runs on a thread of its own for each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    found = Server("http://{}:{}/".format(*listener.getsockname()), [])
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def accept() -> None:
        for number in itertools.count(1):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=handle, args=(connection, number)))
            threads[-1].start()

    def handle(connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection, number, found.requests)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def hear(connection: socket.socket, requests: list[bytes]) -> bool:
    """Read one request; False at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(4096)
        if not data:
            return False
        head += data
    requests.append(head)
    return True


def says(*answers: bytes) -> Callable[..., None]:
    """Gives these answers one after the other, the last for ever; after an empty one it closes."""

    def serve(connection: socket.socket, number: int, requests: list[bytes]) -> None:
        for answer in itertools.chain(answers, itertools.repeat(answers[-1])):
            if not hear(connection, requests) or not answer:
                return
            connection.sendall(answer)

    return serve


def says_once(answer: bytes) -> Callable[..., None]:
    """Gives one answer and closes."""

    def serve(connection: socket.socket, number: int, requests: list[bytes]) -> None:
        if hear(connection, requests):
            connection.sendall(answer)

    return serve


def resets(connection: socket.socket, number: int, requests: list[bytes]) -> None:
    hear(connection, requests)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_in_the_body(connection: socket.socket, number: int, requests: list[bytes]) -> None:
    hear(connection, requests)
    # A reset overtakes what the other side has not read yet: when so much is sent, it has read the beginning.
    connection.sendall(OK + b"Content-Length: 100000000\r\n\r\n" + bytes(50_000_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes_after(times: int) -> Callable[..., None]:
    """Answers so many requests on each connection, then closes without having said that it would."""

    def serve(connection: socket.socket, number: int, requests: list[bytes]) -> None:
        for _ in range(times):
            if not hear(connection, requests):
                return
            connection.sendall(ANSWER)

    return serve


def never_answers(connection: socket.socket, number: int, requests: list[bytes]) -> None:
    while connection.recv(4096):
        pass


@contextlib.contextmanager
def full_queue() -> Iterator[str]:
    """Nobody accepts, and no more may wait: what asks to connect is left without a word."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        waiting = opened.enter_context(socket.socket())
        waiting.connect(listener.getsockname())
        yield "http://{}:{}/".format(*listener.getsockname())


@pytest.fixture(scope="session")
def web() -> SimpleNamespace:
    """The servers of this file."""
    return SimpleNamespace(**globals())
