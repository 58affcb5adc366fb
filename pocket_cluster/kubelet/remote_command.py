"""``kubectl exec``: a command in a container, its streams as channels of one WebSocket.

Protocols v4.channel.k8s.io and v5.channel.k8s.io (apimachinery, pkg/util/remotecommand/constants.go): each message
begins with its channel's number. The error channel gets one Status when the command has ended. v5 lets the client
close its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import shlex
import signal
import struct
from typing import Any, NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web
from multidict import MultiMapping

from pocket_cluster.api.objects import Object
from pocket_cluster.kubelet.command_streams import CommandStreams, Pipes, Terminal
from pocket_cluster.kubelet.container_process import ContainerSettings
from pocket_cluster.kubelet.container_record import ContainerRecord
from pocket_cluster.kubelet.container_root import start_failure
from pocket_cluster.kubelet.node_services import RunningCommand
from pocket_cluster.kubelet.pod_worker import PodWorker
from pocket_cluster.kubelet.runtime_client import RuntimeUnavailable

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
PROTOCOLS = (V5, V4)
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK_BYTES = 32 * 1024
# What a command left behind may hold its output open; it is ended with the command, and then all has been read.
DRAIN_SECONDS = 2.0
SHELLS = ("sh", "bash", "ash", "dash")
EXEC_FAILED = "error executing command in container: failed to exec in container: failed to start exec "
NOT_STARTED = "OCI runtime exec failed: exec failed: unable to start container process: "


class Wanted(NamedTuple):
    """What a request asks for: the command, and which of its streams."""

    command: list[str]
    streams: set[str]
    terminal: bool


def wanted_from(query: MultiMapping[str]) -> Wanted:
    """Read the query; ValueError when it has no command or no stream."""
    parameters = {"stdin": "input", "stdout": "output", "stderr": "error"}
    streams = {name for name, parameter in parameters.items() if query.get(parameter) == "1"}
    command = query.getall("command", [])
    if not command:
        raise ValueError("you must specify at least 1 command for the container")
    if not streams:
        raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
    return Wanted(command, streams, query.get("tty") == "1")


async def serve_command(
    request: web.Request, worker: PodWorker, record: ContainerRecord, wanted: Wanted
) -> web.WebSocketResponse:
    """Run the command for whoever is at the other end of this request; when they go, it ends."""
    socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False, max_msg_size=0)
    await socket.prepare(request)
    # As real servers do: a client learns from an empty message that it is connected.
    await socket.send_bytes(bytes([STDOUT if "stdout" in wanted.streams else ERROR]))
    try:
        outcome = await _run(socket, worker, record, wanted)
        is_v5 = socket.ws_protocol == V5
        status = exit_status(outcome, wanted.command, is_v5) if isinstance(outcome, int) else failure(outcome, is_v5)
        await socket.send_bytes(bytes([ERROR]) + json.dumps(status).encode())
        await socket.close()
    except (ConnectionResetError, asyncio.CancelledError):  # they have gone, or this kubelet is going
        await socket.close(code=WSCloseCode.GOING_AWAY)
    return socket


async def _run(socket: web.WebSocketResponse, worker: PodWorker, record: ContainerRecord, wanted: Wanted) -> int | str:
    """The command's exit code, or why it could not be run."""
    number = signal_for_first_process(wanted.command)
    try:
        if number is not None:
            await worker.services.runtime.signal(record.id, number)
            return 0
        settings: ContainerSettings = {**worker.start_of(record).settings(), "argv": wanted.command}
        if wanted.terminal:
            settings["environment"] = {"TERM": "xterm", **settings["environment"]}
        why = start_failure(settings)
        if why:
            return f'{EXEC_FAILED}"{secrets.token_hex(32)}": {NOT_STARTED}{why}'
        return await _Session(socket, worker, record, wanted).run(settings)
    except ConnectionResetError:
        raise
    except (RuntimeUnavailable, OSError) as error:
        return f"error executing command in container: {error}"


class _Session:
    """One command while it runs."""

    def __init__(
        self, socket: web.WebSocketResponse, worker: PodWorker, record: ContainerRecord, wanted: Wanted
    ) -> None:
        self._socket = socket
        self._worker = worker
        self._record = record
        self._wanted = wanted

    async def run(self, settings: ContainerSettings) -> int:
        """From the start of the command to its exit code; ConnectionResetError when the client went first."""
        streams = await self._open()
        try:
            async with self._worker.services.command(settings, streams.paths) as command:
                streams.connected()
                return await self._converse(streams, command)
        finally:
            streams.close()

    async def _open(self) -> CommandStreams:
        if self._wanted.terminal:
            terminal = Terminal()
            await terminal.open()
            return terminal
        pipes = Pipes(self._worker.services.home.run_dir)
        await pipes.open(self._wanted.streams)
        return pipes

    async def _converse(self, streams: CommandStreams, command: RunningCommand) -> int:
        channels = {"stdout": STDOUT, "stderr": STDERR}
        outputs = [
            asyncio.create_task(self._pass_on(reader, channels[name])) for name, reader in streams.outputs.items()
        ]
        listening = asyncio.create_task(self._listen(streams))
        container = asyncio.create_task(self._record.exited.wait())
        try:
            first: set[asyncio.Future[Any]] = {command.ended, listening, container}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not command.ended.done():
                if not container.done():
                    raise ConnectionResetError("the client went away")
                await self._worker.services.runtime.kill(command.name)
            process = await command.ended
            await asyncio.wait(outputs, timeout=DRAIN_SECONDS)
            return int(process["exit_code"])
        finally:
            for task in (*outputs, listening, container):
                task.cancel()
            await asyncio.gather(*outputs, listening, container, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, channel: int) -> None:
        with contextlib.suppress(ConnectionResetError):
            while content := await reader.read(CHUNK_BYTES):
                await self._socket.send_bytes(bytes([channel]) + content)

    async def _listen(self, streams: CommandStreams) -> None:
        """What the client says, until it goes."""
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                break
            content = message.data.encode() if isinstance(message.data, str) else message.data
            if content:
                await self._obey(streams, content[0], content[1:])

    async def _obey(self, streams: CommandStreams, channel: int, content: bytes) -> None:
        if channel == STDIN and content and streams.input and not streams.input.is_closing():
            with contextlib.suppress(OSError):  # the command closed its end, or ended
                streams.input.write(content)
                await streams.input.drain()
        elif channel == RESIZE:
            with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error):
                size = json.loads(content)
                streams.resize(int(size["Width"]), int(size["Height"]))
        elif channel == CLOSE and content[:1] == bytes([STDIN]) and self._socket.ws_protocol == V5:
            streams.close_input()


# Real API servers translate v5 into the protocol of the kubelet: so its Statuses say some things once more.


def exit_status(code: int, command: list[str], is_v5: bool) -> Object:
    """How the error channel words the end of a command (cri-streaming, pkg/streaming/remotecommand/exec.go)."""
    head: Object = {"metadata": {}} if is_v5 else {}
    if code == 0:
        return {**head, "status": "Success"}
    told = f"command terminated with exit code {code}"
    plain = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        **head,
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {told if is_v5 else plain}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure(why: str, is_v5: bool) -> Object:
    """How it words that a command could not be run."""
    message = f"Internal error occurred: {why}"
    status: Object = {"status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    if not is_v5:
        return status
    repeated = {"message": f"Internal error occurred: {message}", "details": {"causes": [{"message": message}]}}
    return {"metadata": {}, **status, **repeated}


def signal_for_first_process(command: list[str]) -> int | None:
    """The signal of ``kill [-SIGNAL | -s SIGNAL] 1``, also as the only command of a shell; None for anything else.

    In a container 1 is its first process; here 1 is the machine's, and the container's has a number of its own.
    """
    if len(command) == 3 and _base_name(command[0]) in SHELLS and command[1] == "-c":
        try:
            command = shlex.split(command[2])
        except ValueError:
            return None
    if not command or _base_name(command[0]) != "kill" or command[-1] != "1":
        return None
    options = command[1:-1]
    if not options:
        return signal.SIGTERM
    found = re.fullmatch(r"-(?:s|n|-signal[= ])? *(?:SIG)?(\w+)", " ".join(options))
    return _signal_number(found[1]) if found else None


def _signal_number(name: str) -> int | None:
    try:
        return int(name) if name.isdigit() else signal.Signals[f"SIG{name.upper()}"]
    except KeyError:
        return None


def _base_name(program: str) -> str:
    return program.rpartition("/")[2]
