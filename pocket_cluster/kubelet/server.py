"""The kubelet's own HTTPS API, for the API server alone: logs of containers, commands in them, ways to their ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import ClientConnectionResetError, web

from pocket_cluster.addresses import LOOPBACK
from pocket_cluster.home import Home
from pocket_cluster.kubelet import logs, port_forward, remote_command
from pocket_cluster.kubelet.pod_worker import PodWorker
from pocket_cluster.strangers import Door, user_of

# By ``namespace/name``.
FindWorker = Callable[[str], PodWorker | None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WEBSOCKET_ONLY = "this cluster streams over WebSocket alone, as kubectl does since 1.31 unless it is told otherwise"


class KubeletServer:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, home: Home, find: FindWorker) -> None:
        self._home = home
        self._find = find
        self.port = 0

    async def start(self) -> None:
        application = web.Application(middlewares=[_let_go, self._authenticate])
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        application.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        application.router.add_get("/portForward/{namespace}/{pod}", self._port_forward)
        self._runner = runner = web.AppRunner(
            application, handler_cancellation=True, access_log=None, shutdown_timeout=0.2
        )
        await runner.setup()
        assert runner.server
        self._door = Door((LOOPBACK, 0), runner.server, self._home.server_ssl_context())
        self.port = self._door.port

    async def stop(self) -> None:
        self._door.close()
        await self._runner.cleanup()

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not user_of(request.headers.get("Authorization", ""), {self._home.kubelet_token: "the API server"}):
            raise web.HTTPUnauthorized(text="Unauthorized")
        self._door.strangers.has_shown_a_token(request.transport)
        return await handler(request)

    def _worker(self, request: web.Request) -> PodWorker:
        pod = request.match_info["pod"]
        worker = self._find(f"{request.match_info['namespace']}/{pod}")
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{pod}" does not exist')
        return worker

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)
        container = request.match_info["container"]
        record = worker.records.get(container)
        if record is None or record.process != "running":
            raise web.HTTPNotFound(text=f'container not found ("{container}")')
        try:
            wanted = remote_command.wanted_from(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        _must_be_websocket(request)
        return await remote_command.serve_command(request, worker, record, wanted)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)
        try:
            port_forward.must_have_ports(request)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        _must_be_websocket(request)
        return await port_forward.serve_ports(request, worker)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        pod, container = (request.match_info[part] for part in ("pod", "container"))
        worker = self._worker(request)
        try:
            options = logs.options_from(request.query)
            status = worker.container_status(container)
            attempt = logs.attempt_to_read(status, pod, container, options.previous)
        except (logs.LogError, ValueError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self._stream(request, worker, container, attempt, options)

    async def _stream(
        self, request: web.Request, worker: PodWorker, container: str, attempt: int, options: logs.LogOptions
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        path = logs.path_of(worker.folder, container, attempt)
        async for chunk in logs.read(path, options, lambda: worker.runs(container, attempt)):
            await response.write(chunk)
        return response


@web.middleware
async def _let_go(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A client that goes away ends its own connection, at whatever point, and is nothing to write down."""
    try:
        return await handler(request)
    except ClientConnectionResetError:
        return web.Response()  # to nobody


def _must_be_websocket(request: web.Request) -> None:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise web.HTTPBadRequest(text=WEBSOCKET_ONLY)
