"""What a command in a container reads from and writes to while somebody elsewhere is at the other end.

Pipes with names, as containerd's shim makes them, or a terminal: the runtime opens them by path, so that no descriptor
has to be handed over. They have no name any more as soon as both ends are open.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import struct
import tempfile
import termios
from pathlib import Path

PIPE_NAMES = ("stdin", "stdout", "stderr")


class _ToTheEnd(asyncio.StreamReaderProtocol):
    """A terminal's end is an error to read(2): what was read before it counts all the same."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


class CommandStreams:
    """The near ends. ``paths`` are what the runtime is asked to open; call ``connected`` when it has."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.input: asyncio.StreamWriter | None = None
        self.outputs: dict[str, asyncio.StreamReader] = {}
        self._transports: list[asyncio.BaseTransport] = []
        self._held: list[int] = []

    def close(self) -> None:
        """Let go of everything, whatever was still to be read or written."""
        self.connected()
        for transport in self._transports:
            if transport.is_closing():
                continue
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            else:
                transport.close()

    def connected(self) -> None:
        """The command holds its ends: from now on its end is the streams' end."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []

    def resize(self, width: int, height: int) -> None:
        """Tell the programs in a terminal its new size, in characters."""

    def close_input(self) -> None:
        """Nothing more will be written: the command reads to the end."""
        if self.input:
            self.input.close()

    async def _read_from(self, name: str, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _ToTheEnd(reader), os.fdopen(descriptor, "rb", 0)
        )
        self._transports.append(transport)
        self.outputs[name] = reader

    async def _write_to(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(descriptor, "wb", 0))
        self._transports.append(transport)
        self.input = asyncio.StreamWriter(transport, protocol, None, loop)


class Pipes(CommandStreams):
    """A pipe for each of the wanted streams, in a folder of their own below ``place``; the others lead nowhere."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="exec-", dir=place))

    async def open(self, wanted: set[str]) -> None:
        for name in PIPE_NAMES:
            if name not in wanted:
                self.paths.append(os.devnull)
                continue
            path = self._folder / name
            os.mkfifo(path, 0o600)
            self.paths.append(str(path))
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if name == "stdin":
                self._held.append(reader)  # there must be one before a writer can be opened
                await self._write_to(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            else:
                await self._read_from(name, reader)

    def connected(self) -> None:
        super().connected()
        shutil.rmtree(self._folder, ignore_errors=True)


class Terminal(CommandStreams):
    """One terminal for all three."""

    async def open(self) -> None:
        master, slave = os.openpty()
        self._held.append(slave)
        self._master = master
        self.paths = [os.ttyname(slave)] * 3
        await self._read_from("stdout", os.dup(master))
        await self._write_to(master)

    def resize(self, width: int, height: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def close_input(self) -> None:
        """A terminal goes on: who leaves it alone has not ended it."""
