"""Where the addresses that the API shows really are on this machine.

The API shows pods at 10.244.x.y and Services at 10.96.x.y. On Linux every address of 127.0.0.0/8 is this machine, so
each cluster claims one 127.A.0.0/16 and 10.244.x.y is 127.A.x.y, 10.96.x.y is 127.A.(128+x).y (x below 128). Where a
machine has 127.0.0.1 alone, as macOS does, each address and port gets a port of its own there, kept in a table.

Only the standard library: pods import this too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

POD_RANGE = "10.244.0.0/17"
SERVICE_RANGE = "10.96.0.0/17"
LOOPBACK = "127.0.0.1"
# The API server's address as EndpointSlices show it: the real API allows no loopback address there.
API_SERVER_ADDRESS = "10.244.127.1"
FIRST_BLOCK, LAST_BLOCK = 64, 254
# Ports below 1024 belong to root: they are served this much higher, above the ephemeral ports.
PRIVILEGED_SHIFT = 64000

Address = tuple[str, int]


class NoAddressRange(Exception):
    """All blocks of loopback addresses are taken by other clusters on this machine."""


def machine_has_one_address() -> bool:
    """Whether only 127.0.0.1 can be listened on, or POCKET_CLUSTER_ADDRESSES=single asks to behave so."""
    asked = os.environ.get("POCKET_CLUSTER_ADDRESSES", "")
    return asked == "single" if asked else system_has_one_address()


def system_has_one_address() -> bool:
    """Whether only 127.0.0.1 can be listened on."""
    if sys.platform == "linux":
        return False
    with socket.socket() as probe:
        try:
            probe.bind((f"127.{FIRST_BLOCK}.0.1", 0))
        except OSError:
            return True
    return False


class AddressRange:
    """The translation for one cluster: block ``A`` of 127.A.0.0/16, or one address and a table of ports."""

    def __init__(self, block: int, port_table: Path | None = None) -> None:
        self.block = block
        self.single = port_table is not None
        self._ports = _PortTable(port_table) if port_table else None

    def to_local(self, address: str) -> str:
        """``10.244.0.7`` → ``127.A.0.7``; an address of neither range stays as it is."""
        if address == API_SERVER_ADDRESS:
            return LOOPBACK
        numbers = address.split(".")
        offset = _offset(numbers)
        if offset is None:
            return address
        return LOOPBACK if self.single else f"127.{self.block}.{int(numbers[2]) + offset}.{numbers[3]}"

    def to_cluster(self, address: str) -> str:
        """``127.A.0.7`` → ``10.244.0.7``; an address outside the block stays as it is."""
        numbers = address.split(".")
        if self.single or numbers[:2] != ["127", str(self.block)]:
            return address
        third = int(numbers[2])
        return f"10.244.{third}.{numbers[3]}" if third < 128 else f"10.96.{third - 128}.{numbers[3]}"

    def to_local_socket(self, address: Address) -> Address:
        """Where to listen or connect for an address and port that the API shows; port 0 stays 0."""
        host, port = address
        local = self.to_local(host)
        if local == host or host == API_SERVER_ADDRESS:
            return local, port
        if self._ports:
            return LOOPBACK, self._ports.port_for(host, port) if port else 0
        return local, port + PRIVILEGED_SHIFT if 0 < port < 1024 else port

    def to_cluster_port(self, port: int) -> int:
        """The port that a program asked for, of one that ``to_local_socket`` gave (several addresses only)."""
        return port - PRIVILEGED_SHIFT if PRIVILEGED_SHIFT < port < PRIVILEGED_SHIFT + 1024 else port


def _offset(numbers: list[str]) -> int | None:
    if len(numbers) != 4 or numbers[0] != "10" or not all(number.isdigit() for number in numbers):
        return None
    if int(numbers[2]) >= 128:
        return None
    return {"244": 0, "96": 128}.get(numbers[1])


class _PortTable:
    """``"10.244.0.7:3000" -> 41873`` in a file that all processes of the cluster read and extend under a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = {}

    def port_for(self, host: str, port: int) -> int:
        wanted = f"{host}:{port}"
        if wanted not in self._known:
            with self._locked() as file:
                self._known = json.loads(file.read() or b"{}")
                if wanted not in self._known:
                    self._known[wanted] = _free_port(set(self._known.values()))
                    file.seek(0)
                    file.truncate()
                    file.write(json.dumps(self._known).encode())
        return self._known[wanted]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[_File]:
        with _File(self._path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


class _File:
    """A binary file opened below any translation of paths that a pod's program sees."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(os.fspath(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> bytes:
        return os.read(self._descriptor, os.fstat(self._descriptor).st_size)

    def seek(self, position: int) -> None:
        os.lseek(self._descriptor, position, os.SEEK_SET)

    def truncate(self) -> None:
        os.ftruncate(self._descriptor, 0)

    def write(self, content: bytes) -> None:
        os.write(self._descriptor, content)


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


class BlockClaim:
    """A block of loopback addresses, claimed so that every cluster on this machine sees it.

    The claim is a name of Linux's abstract namespace of sockets: it needs no file that somebody else could own, belongs
    to the same network as the addresses, and lasts until ``release`` or the end of the process (unix(7)).
    """

    def __init__(self, preferred: int | None) -> None:
        """Claim ``preferred`` if it is free, else another; NoAddressRange when none is left."""
        blocks = list(range(FIRST_BLOCK, LAST_BLOCK + 1))
        random.shuffle(blocks)
        if preferred in blocks:
            blocks.insert(0, preferred)
        self._claim = socket.socket(socket.AF_UNIX)
        self.block = next(filter(self._is_claimed, blocks), 0) or _unused(blocks)

    @property
    def descriptor(self) -> int:
        return self._claim.fileno()

    def _is_claimed(self, block: int) -> bool:
        if sys.platform != "linux":  # one address for all clusters, and ports that the system gives: nothing to claim
            return True
        try:
            self._claim.bind(f"\0pocket-cluster-addresses-{block}")
        except OSError:
            return False
        return True

    def release(self) -> None:
        self._claim.close()


def _unused(blocks: list[int]) -> int:
    """A block where nobody listens, for when somebody claims all of them: a claim alone keeps no cluster from starting.

    /proc/net/tcp has each socket's own address as the hexadecimal digits of a number, and 0A where it listens.
    """
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    used = {socket.ntohl(int(address.partition(":")[0], 16)) >> 16 & 0xFF for address in listening}
    for block in blocks:
        if block not in used:
            return block
    raise NoAddressRange("All loopback address blocks are in use by other pocket clusters. Stop one of them.")
