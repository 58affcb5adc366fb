"""exec and port-forward: a WebSocket from the client, and one to the pod's kubelet, which understands what is said.

The checks before are those of pkg/registry/core/pod/strategy.go (streamLocation, PortForwardLocation).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import MultiDict
from yarl import URL

from pocket_cluster.api.objects import Object, name, namespace
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.kubelets import Kubelets, unreachable
from pocket_cluster.apiserver.request import flag

CHANNELS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
# Which subprotocols the kubelet speaks for each subresource. kubectl port-forward sends SPDY through a WebSocket.
PROTOCOLS = {"exec": CHANNELS, "portforward": ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io")}
KUBELET_PATHS = {"exec": "exec", "portforward": "portForward"}
# PodExecOptions and what the kubelet calls it (pkg/registry/core/pod/strategy.go, streamParams).
EXEC_FLAGS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
# How long an end that is told to close may take to answer.
CLOSING_SECONDS = 2.0

WebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


@dataclass(frozen=True, slots=True)
class _Destination:
    node: str
    url: URL
    protocols: tuple[str, ...]


class PodStreams:
    """Connects a client to the kubelet for as long as both want it."""

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets

    async def answer(self, request: web.Request, subresource: str, pod: Object) -> web.StreamResponse:
        """Relay the stream until one end closes it; a Status when it cannot be begun."""
        container = _container(pod, request.query) if subresource == "exec" else ""
        node = pod["spec"].get("nodeName")
        if not node:
            raise errors.bad_request(f"pod {name(pod)} does not have a host assigned")
        if not request.headers.get("Upgrade"):
            raise errors.bad_request("Upgrade request required")
        path = "/".join(filter(None, (KUBELET_PATHS[subresource], namespace(pod), name(pod), container)))
        url = URL(f"{self._kubelets.url(node)}/{path}").with_query(_parameters(subresource, request))
        destination = _Destination(node, url, _protocols(subresource, request))
        return await self._relay(request, destination)

    async def _relay(self, request: web.Request, destination: _Destination) -> web.StreamResponse:
        session = self._kubelets.session
        protocols = destination.protocols
        try:
            if request.headers["Upgrade"].lower() != "websocket":
                return await self._refusal(destination)
            connecting = session.ws_connect(destination.url, protocols=protocols, max_msg_size=0, autoclose=False)
            async with connecting as kubelet:
                client = web.WebSocketResponse(
                    protocols=protocols, compress=False, max_msg_size=0, timeout=CLOSING_SECONDS
                )
                await client.prepare(request)
                await relay(client, kubelet)
                return client
        except aiohttp.WSServerHandshakeError:
            return await self._refusal(destination)
        except aiohttp.ClientConnectionError as error:
            raise unreachable(destination.node, error) from None

    async def _refusal(self, destination: _Destination) -> web.Response:
        """Why the kubelet does not begin the stream: it says so in its answer to a plain request."""
        async with self._kubelets.session.get(destination.url) as answer:
            return web.Response(status=answer.status, text=await answer.text())


def _parameters(subresource: str, request: web.Request) -> MultiDict[str]:
    if subresource == "portforward":
        return MultiDict(("port", port) for port in request.query.getall("ports", []))
    found = MultiDict(("command", word) for word in request.query.getall("command", []))
    for option, parameter in EXEC_FLAGS.items():
        if flag(request.query, option):
            found.add(parameter, "1")
    return found


def _protocols(subresource: str, request: web.Request) -> tuple[str, ...]:
    """Those that both ends speak; BadRequest when there is none. Who forwards a port need not ask for one."""
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    asked = [each.strip() for each in header.split(",") if each.strip()]
    supported = PROTOCOLS[subresource]
    found = tuple(each for each in asked if each in supported)
    must_ask = asked or subresource == "exec"
    if not found and must_ask and request.headers["Upgrade"].lower() == "websocket":
        listed = " ".join(supported)
        message = f"requested protocol(s) are not supported: [{' '.join(asked)}]; supports [{listed}]"
        raise errors.bad_request(message)
    return found


def _container(pod: Object, query: Mapping[str, str]) -> str:
    """The container that the query names, or the only one (validateContainer)."""
    spec = pod["spec"]
    everything = [each["name"] for part in ("initContainers", "containers") for each in spec.get(part) or []]
    wanted = query.get("container", "")
    if wanted and wanted not in everything:
        raise errors.bad_request(f"container {wanted} is not valid for pod {name(pod)}")
    if not wanted and len(spec["containers"]) != 1:
        listed = " ".join(everything)
        message = f"a container name must be specified for pod {name(pod)}, choose one of: [{listed}]"
        raise errors.bad_request(message)
    return wanted or str(spec["containers"][0]["name"])


async def relay(client: WebSocket, backend: WebSocket) -> None:
    """Pass messages both ways until one end closes; then the other is closed too.

    The client is told of a normal end only when the backend came to one: to kubectl it means success.
    """
    ways = [asyncio.create_task(_pass_on(client, backend)), asyncio.create_task(_pass_on(backend, client))]
    code = WSCloseCode.GOING_AWAY
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        code = WSCloseCode.OK if backend.close_code == WSCloseCode.OK else WSCloseCode.INTERNAL_ERROR
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (client, backend):
            if not end.closed:
                await end.close(code=code)


async def _pass_on(source: WebSocket, target: WebSocket) -> None:
    async for message in source:
        if message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
