"""What nobody can use up: connections without a token, open files, the disk by logs."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS, eventually_async

from pocket_cluster import certificates, lifecycle, limits, strangers
from pocket_cluster.home import Home
from pocket_cluster.strangers import Door, user_of

USERS = {"secret": "admin", "other": "kubelet"}


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Bearer secret", "admin"),
        ("Bearer  secret ", "admin"),
        ("Bearer other", "kubelet"),
        ("Bearer secre", None),
        ("Bearer secret2", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("bearer secret", None),
        ("Basic secret", None),
        ("secret", None),
        ("", None),
        ("Bearer \udcff\u00e9", None),  # bytes that are no text, as aiohttp gives them
    ],
)
def test_a_user_is_who_shows_the_token(header: str, user: str | None) -> None:
    assert user_of(header, USERS) == user


# --- connections


class Echo(asyncio.Protocol):
    """Answers what it hears; ``token`` makes the connection known."""

    door: Door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data == b"token":
            self.door.strangers.has_shown_a_token(self._transport)
        self._transport.write(data)


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and a client's."""
    certificates.ensure(tmp_path)
    return Home(tmp_path).server_ssl_context(), ssl.create_default_context(cafile=tmp_path / "ca.crt")


def run_with_door(contexts: tuple[ssl.SSLContext, ssl.SSLContext], story: object, most: int) -> None:
    async def scenario() -> None:
        door = Echo.door = Door(("127.0.0.1", 0), Echo, contexts[0])
        door.strangers.most = most
        try:
            await story(door)  # type: ignore[operator]
        finally:
            door.close()

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_SECONDS))


def test_the_oldest_stranger_makes_room_and_who_has_shown_a_token_stays(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async def story(door: Door) -> None:
        known = await asyncio.open_connection("127.0.0.1", door.port, ssl=contexts[1])
        known[1].write(b"token")
        assert await known[0].read(5) == b"token"
        assert len(door.strangers) == 0
        silent = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(5)]
        assert [await reader.read() for reader, _ in silent[:2]] == [b"", b""]
        await eventually_async(lambda: len(door.strangers), "three are left", so=lambda found: found == 3)
        stranger = await asyncio.open_connection("127.0.0.1", door.port, ssl=contexts[1])
        stranger[1].write(b"hello")
        assert await stranger[0].read(5) == b"hello"
        known[1].write(b"again")
        assert await known[0].read(5) == b"again"
        for _, writer in (known, stranger, *silent):
            writer.close()

    run_with_door(contexts, story, 3)


def test_a_stranger_who_says_nothing_or_no_end_is_let_go(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "SECONDS", 2.0)

    async def story(door: Door) -> None:
        silent = await asyncio.open_connection("127.0.0.1", door.port)
        talks = await asyncio.open_connection("127.0.0.1", door.port, ssl=contexts[1])
        talks[1].write(b"GET /")
        assert await silent[0].read() == b""
        with contextlib.suppress(OSError):
            while await talks[0].read(100):
                pass
        assert len(door.strangers) == 0
        for _, writer in (silent, talks):
            writer.close()

    run_with_door(contexts, story, 100)


# --- a cluster with few open files


@contextlib.contextmanager
def silent_connections(port: int, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(number)]


def up_with_open_files(home: Home, number: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pocket_cluster", "--home", str(home.path), "up"]
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number)),
    )


def test_silent_connections_keep_nobody_out_and_fill_no_log(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    allowed = 256
    assert limits.open_files() > 3 * allowed  # of this process
    assert up_with_open_files(home, allowed).returncode == 0
    try:
        with silent_connections(home.api_port, 2 * allowed):
            assert lifecycle.ask(home, "/api/v1/namespaces/default")["kind"] == "Namespace"
        assert home.log_of("apiserver").stat().st_size < 100_000
    finally:
        lifecycle.down(home)


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [
        (256, 256, 64),
        (1024, 1024, 256),
        (1024, 1_048_576, 512),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 512),
        (256, resource.RLIM_INFINITY, 512),
    ],
)
def test_strangers_have_a_share_of_the_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert strangers.Strangers().most == most


def test_too_few_open_files_are_told_at_up(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    refused = up_with_open_files(home, 64)
    assert refused.returncode == 1
    assert refused.stderr == (
        "The cluster needs 256 open files for each of its processes, and this system allows 64. Raise the limit, then"
        " start it from the same terminal: ulimit -n 256\n"
    )


# --- logs


def test_a_log_is_moved_away_when_it_is_too_large(tmp_path: Path) -> None:
    program = f"""
import logging
from pathlib import Path
from pocket_cluster import limits
limits.LARGEST_LOG_BYTES = 10_000
limits.log_to(Path({str(tmp_path)!r}, "a.log"))
logging.basicConfig(handlers=[limits.BoundedLog(Path({str(tmp_path)!r}, "a.log"))], format="%(message)s")
for number in range(1000):
    logging.error("line %d of a log %s", number, "." * 80)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE_SECONDS)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"a.log", "a.log.1"}
    assert all(size < 10_200 for size in sizes.values())
    assert (tmp_path / "a.log").read_text().splitlines()[-1].startswith("line 999 ")


def test_a_log_that_could_not_be_begun_anew_is_begun_later(tmp_path: Path) -> None:
    """As when the disk is full for a moment after the old one was moved away."""
    program = f"""
import logging
from pathlib import Path
from pocket_cluster import limits
limits.LARGEST_LOG_BYTES = 10_000
log = Path({str(tmp_path)!r}, "a.log")
limits.log_to(log)
logging.basicConfig(handlers=[limits.BoundedLog(log)], format="%(message)s")
begin, limits.log_to = limits.log_to, lambda path: open("/nosuch/folder")
for number in range(1000):
    if number == 500:
        limits.log_to = begin
    logging.error("line %d of a log %s", number, "." * 80)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE_SECONDS)
    assert (tmp_path / "a.log").read_text().splitlines()[-1].startswith("line 999 ")
    assert (tmp_path / "a.log").stat().st_size < 10_200


def test_what_prints_without_end_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_LOG_BYTES", 100)
    (tmp_path / "runtime.log").write_text("x" * 201)
    (tmp_path / "runtime.log.1").write_text("x" * 201)
    (tmp_path / "kubelet.log").write_text("x" * 200)
    limits.bound_logs(tmp_path)
    names = ("runtime.log", "runtime.log.1", "kubelet.log")
    assert [(tmp_path / name).stat().st_size for name in names] == [0, 0, 200]
