"""The kubelet's end of the conversation with the pod runtime (see ``runtime``)."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pocket_cluster.kubelet.container_process import ContainerSettings

logger = logging.getLogger("pocket_cluster.kubelet")

ANSWER_SECONDS = 20.0
RECONNECT_SECONDS = 0.02
LONGEST_LINE = 64 * 2**20
# sun_path in sockaddr_un(7) has 108 bytes, on macOS 104.
LONGEST_SOCKET_PATH = 100

Process = dict[str, Any]


class RuntimeUnavailable(Exception):
    """The runtime could not do what it was asked; the text says why."""


class RuntimeClient:
    """Asks the runtime, and tells ``on_exit`` of each container or command that ended."""

    def __init__(self, socket_path: Path, on_exit: Callable[[Process], None]) -> None:
        self._path = _short(socket_path)
        self._on_exit = on_exit
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, connected: Callable[[list[Process]], Awaitable[None]]) -> None:
        """Stay connected for ever; after each connection ``connected`` gets all processes that the runtime knows."""
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)  # it is being started: nothing tells when it listens
                continue
            reading = asyncio.create_task(self._read(reader))
            try:
                await connected((await self._ask("list"))["containers"])
                await reading
            except (ConnectionError, RuntimeUnavailable) as error:
                logger.info("the pod runtime: %s", error)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def start(
        self,
        name: str,
        meta: dict[str, Any],
        settings: ContainerSettings,
        log: Path | None,
        streams: list[str] | None = None,
    ) -> dict[str, Any]:
        """Start a process; without a log and ``streams`` its output comes with its exit. Returns pid and start time."""
        where = {"log": str(log) if log else None, "streams": streams}
        return await self._ask("start", id=name, meta=meta, settings=settings, **where)

    async def signal(self, name: str, number: int) -> bool:
        """Signal a container's first process; False when the signal had no effect."""
        return bool((await self._ask("signal", id=name, signal=int(number)))["delivered"])

    async def kill(self, name: str) -> None:
        """End all processes of a container at once."""
        await self._ask("kill", id=name)

    async def forget(self, names: list[str]) -> None:
        await self._ask("forget", ids=names)

    async def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if self._writer is None:
            raise RuntimeUnavailable("the pod runtime is not running")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(json.dumps({"request": number, "op": operation, **arguments}).encode() + b"\n")
            found = await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError as error:
            raise RuntimeUnavailable("the pod runtime did not answer") from error
        finally:
            self._waiting.pop(number, None)
        if "error" in found:
            raise RuntimeUnavailable(found["error"])
        return found

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            async for line in reader:
                self._receive(json.loads(line))
        finally:  # at once, so that nobody waits for an answer that cannot come
            self._disconnect()
        raise ConnectionResetError("it ended")

    def _receive(self, message: dict[str, Any]) -> None:
        if message.get("event") == "exited":
            self._on_exit(message["container"])
            return
        answer = self._waiting.get(message["request"])
        if answer and not answer.done():
            answer.set_result(message)

    def _disconnect(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(RuntimeUnavailable("the pod runtime ended"))


def _short(path: Path) -> str:
    return str(path) if len(str(path)) <= LONGEST_SOCKET_PATH else os.path.relpath(path)
