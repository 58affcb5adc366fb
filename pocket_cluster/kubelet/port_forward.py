"""``kubectl port-forward``: connections to a pod's ports, many through one WebSocket.

Two protocols (cri-streaming, pkg/streaming/portforward): kubectl's, SPDY frames as the content of binary messages, with
a pair of streams for each connection; and v4.channel.k8s.io, one connection for each port, with a pair of channels,
which is also what a client gets that names no protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from aiohttp import WSMsgType, web

from pocket_cluster.api.numbers import whole_number
from pocket_cluster.api.objects import uid
from pocket_cluster.kubelet import spdy
from pocket_cluster.kubelet.pod_network import localhost_of
from pocket_cluster.kubelet.pod_worker import PodWorker

TUNNEL, CHANNELS = "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"
CHUNK_BYTES = 32 * 1024
# How many messages of one connection wait for a program that does not read.
LONGEST_QUEUE = 64


class ForwardError(Exception):
    """There is no way to the port; the text is what the client is told."""


class Inbox:
    """What the client has sent of one connection and its pod has not taken yet."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(LONGEST_QUEUE)
        self._is_closed = False

    async def put(self, content: bytes) -> None:
        """Waits while there is much; empty content means that nothing follows."""
        if not self._is_closed:
            await self._queue.put(content)

    async def take(self) -> bytes:
        return await self._queue.get()

    def close(self) -> None:
        """Nobody takes any more: whoever waits to put something may go on, it is dropped."""
        self._is_closed = True
        while not self._queue.empty():
            self._queue.get_nowait()


class Side(Protocol):
    """The client's side of one connection."""

    inbox: Inbox

    async def send(self, content: bytes) -> None: ...


async def serve_ports(request: web.Request, worker: PodWorker) -> web.WebSocketResponse:
    """Forward to the pod for as long as the client wants it; a pod that ended refuses the connections that follow."""
    ports = [_port_number(port) for port in request.query.getall("port", [])]
    socket = web.WebSocketResponse(protocols=(TUNNEL, CHANNELS), compress=False, max_msg_size=0)
    await socket.prepare(request)
    served = _Tunnel(socket, worker) if socket.ws_protocol == TUNNEL else _Channels(socket, worker, ports)
    with contextlib.suppress(ConnectionResetError, asyncio.CancelledError, spdy.SpdyError):
        await served.run()
    await socket.close()
    return socket


def must_have_ports(request: web.Request) -> None:
    """ValueError when a request for channels names no ports, or something that is none."""
    if TUNNEL not in request.headers.get("Sec-WebSocket-Protocol", ""):
        ports = request.query.getall("port", [])
        if not ports:
            raise ValueError('query parameter "port" is required')
        for port in ports:
            _port_number(port)


def _port_number(text: str) -> int:
    number = whole_number(text)
    if number is None or number > 65535:
        raise ValueError(f'unable to parse "{text}" as a port')
    if not number:
        raise ValueError(f'port "{text}" must be > 0')
    return number


# --- one connection


async def forward(worker: PodWorker, port: int, client: Side) -> None:
    """Carry one connection to its end; ForwardError when it cannot be begun."""
    reader, writer = await _connect(worker, port)
    upward = asyncio.create_task(_send_on(client, writer))
    try:
        while content := await reader.read(CHUNK_BYTES):
            await client.send(content)
    except OSError:
        return  # the pod cut it
    finally:
        client.inbox.close()
        upward.cancel()
        await asyncio.gather(upward, return_exceptions=True)
        writer.close()


async def _send_on(client: Side, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # the other way notices too
        while content := await client.inbox.take():
            writer.write(content)
            await writer.drain()
        writer.write_eof()


async def _connect(worker: PodWorker, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As from inside the pod, at its localhost: there, too, is what listens on the wildcard."""
    sandbox = hashlib.sha256(uid(worker.pod).encode()).hexdigest()
    if worker.gone:
        _refuse(port, sandbox, f'network namespace for sandbox "{sandbox}" is closed')
    to_local = worker.services.home.addresses.to_local_socket
    for address in (localhost_of(worker.address), worker.address):
        with contextlib.suppress(ConnectionRefusedError):
            return await asyncio.open_connection(*to_local((address, port)))
    why = f"IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused"
    _refuse(port, sandbox, f'failed to connect to localhost:{port} inside namespace "{sandbox}", {why}')


def _refuse(port: int, sandbox: str, why: str) -> NoReturn:
    raise ForwardError(f"error forwarding port {port} to pod {sandbox}, uid : {why}")


# --- kubectl's protocol


@dataclass
class _Pair:
    """The streams of one connection, by their kind, and what the client sent of it."""

    tunnel: _Tunnel
    streams: dict[str, int] = field(default_factory=dict)
    inbox: Inbox = field(default_factory=Inbox)
    task: asyncio.Task[None] | None = None

    async def send(self, content: bytes) -> None:
        await self.tunnel.say(self.tunnel.encoder.data(self.streams["data"], content))


class _Tunnel:
    """All connections of one kubectl."""

    def __init__(self, socket: web.WebSocketResponse, worker: PodWorker) -> None:
        self._socket = socket
        self._worker = worker
        self.encoder = spdy.Encoder()
        self._pairs: dict[str, _Pair] = {}
        self._by_data_stream: dict[int, _Pair] = {}

    async def say(self, frame: bytes) -> None:
        await self._socket.send_bytes(frame)

    async def run(self) -> None:
        decoder = spdy.Decoder()
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    break
                for event in decoder.feed(message.data):
                    if isinstance(event, spdy.GoAway):
                        return
                    await self._obey(event)
        finally:
            tasks = [pair.task for pair in self._by_data_stream.values() if pair.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _obey(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened():
                await self._open(event)
            case spdy.Data():
                await self._receive(event)
            case spdy.Reset():
                pair = self._by_data_stream.get(event.stream)
                if pair and pair.task:
                    pair.task.cancel()
            case spdy.Ping():
                await self.say(self.encoder.ping(event.number))

    async def _receive(self, event: spdy.Data) -> None:
        pair = self._by_data_stream.get(event.stream)
        if pair is None:
            return
        if event.content:
            await pair.inbox.put(event.content)
        if event.last:
            await pair.inbox.put(b"")

    async def _open(self, event: spdy.Opened) -> None:
        kind, request = event.headers.get("streamtype", ""), event.headers.get("requestid", "")
        try:
            port = _port_number(event.headers.get("port", ""))
        except ValueError:
            port = 0
        if kind not in ("data", "error") or not port:
            await self.say(self.encoder.reset(event.stream))
            return
        await self.say(self.encoder.reply(event.stream))
        pair = self._pairs.setdefault(request, _Pair(self))
        pair.streams[kind] = event.stream
        if kind == "data":
            self._by_data_stream[event.stream] = pair
        if len(pair.streams) == 2:
            del self._pairs[request]
            pair.task = asyncio.create_task(self._forward(pair, port))

    async def _forward(self, pair: _Pair, port: int) -> None:
        """One connection, and what the client's streams are told at its end."""
        data, error = pair.streams["data"], pair.streams["error"]
        say, encoder = self.say, self.encoder
        try:
            await forward(self._worker, port, pair)
            await say(encoder.data(data, b"", last=True))
            await say(encoder.data(error, b"", last=True))
        except ForwardError as refused:
            await say(encoder.data(error, str(refused).encode(), last=True))
            await say(encoder.reset(data))
        except asyncio.CancelledError:  # the client reset it, and waits to hear whether there was an error
            with contextlib.suppress(ConnectionResetError):
                await say(encoder.data(error, b"", last=True))
        except ConnectionResetError:
            pass  # the client has gone
        finally:
            pair.inbox.close()
            self._by_data_stream.pop(data, None)


# --- the protocol of channels


@dataclass
class _Channel:
    """One port's connection; ``number`` is its channel for data, the next one is for an error."""

    socket: web.WebSocketResponse
    number: int
    inbox: Inbox = field(default_factory=Inbox)

    async def send(self, content: bytes) -> None:
        await self.socket.send_bytes(bytes([self.number]) + content)

    async def send_error(self, content: bytes) -> None:
        await self.socket.send_bytes(bytes([self.number + 1]) + content)


class _Channels:
    """One connection to each of the ports that the request named, all begun at once."""

    def __init__(self, socket: web.WebSocketResponse, worker: PodWorker, ports: list[int]) -> None:
        self._socket = socket
        self._worker = worker
        self._ports = {2 * place: port for place, port in enumerate(ports)}
        self._channels = {number: _Channel(socket, number) for number in self._ports}

    async def run(self) -> None:
        """Until all connections have ended, or the client goes."""
        forwards = asyncio.gather(*(self._forward(channel) for channel in self._channels.values()))
        listening = asyncio.create_task(self._listen())
        both: set[asyncio.Future[Any]] = {forwards, listening}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _forward(self, channel: _Channel) -> None:
        port = self._ports[channel.number]
        # As a sign that the channels are open, each begins with its port.
        await channel.send(struct.pack("<H", port))
        await channel.send_error(struct.pack("<H", port))
        try:
            await forward(self._worker, port, channel)
        except ForwardError as refused:
            channel.inbox.close()
            await channel.send_error(str(refused).encode())

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
            content = message.data.encode() if isinstance(message.data, str) else message.data
            channel = self._channels.get(content[0]) if content else None
            if channel and content[1:]:
                await channel.inbox.put(content[1:])
