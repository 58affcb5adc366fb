"""Requests for objects: from the method and the path to reading, watching, writing or deleting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import ENDPOINTS
from pocket_cluster.apiserver import deletion, errors, patch, protobuf, reading, schema, subresources, watching
from pocket_cluster.apiserver.deletion import Deleter
from pocket_cluster.apiserver.object_proxy import ObjectProxy
from pocket_cluster.apiserver.pod_logs import PodLogs
from pocket_cluster.apiserver.pod_streams import PodStreams
from pocket_cluster.apiserver.request import (
    Accept,
    Target,
    flag,
    parse_accept,
    parse_path,
)
from pocket_cluster.apiserver.store import Entry, Store, encode
from pocket_cluster.apiserver.write_options import WriteOptions, parse_write_options
from pocket_cluster.apiserver.writing import APPLY, Body, Writer

JSON = "application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
READABLE = (JSON, "application/yaml", PROTOBUF)
PATCHES = (*patch.CONTENT_TYPES, APPLY)
# Whose deletion is answered with the object that was deleted, not with a Status (ReturnDeletedObject).
ANSWERED_WITH_OBJECT = ("Pod", "Namespace", "Service", "ServiceAccount")
ENDPOINTS_WARNING = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


@dataclass(slots=True)
class Call:
    """One request on its way through a handler."""

    request: web.Request
    target: Target
    accept: Accept
    warnings: list[str]

    @property
    def query(self) -> Any:
        return self.request.query

    def write_options(self) -> WriteOptions:
        headers = self.request.headers
        is_apply = headers.get("Content-Type", "").startswith(APPLY)
        return parse_write_options(self.query, self.request.method, headers.get("User-Agent", ""), is_apply)


class PodConnections(NamedTuple):
    """The ways to what pods say and serve."""

    logs: PodLogs
    streams: PodStreams
    proxy: ObjectProxy


class ResourceHandlers:
    """Everything below ``/api/v1`` and ``/apis/GROUP/VERSION`` that names objects."""

    def __init__(self, store: Store, writer: Writer, deleter: Deleter, connections: PodConnections) -> None:
        self._store, self._writer, self._deleter, self._connections = store, writer, deleter, connections

    async def handle(self, request: web.Request) -> web.StreamResponse:
        target = parse_path(request.path)
        accept = parse_accept(request.headers.get("Accept", ""))
        call = Call(request, target, accept, _deprecations(target))
        try:
            return await self._dispatch(call)
        except errors.StatusError as error:
            return _answer(call, encode(error.status()), error.code)  # what was warned of is said with the refusal

    async def _dispatch(self, call: Call) -> web.StreamResponse:
        if call.target.subresource and call.target.subresource != "status":
            return await self._subresource(call)
        return await (self._object(call) if call.target.name else self._collection(call))

    async def _collection(self, call: Call) -> web.StreamResponse:
        match call.request.method:
            case "GET" | "HEAD":
                if flag(call.query, "watch"):
                    return await self._watch(call)
                listed = await reading.list_objects(self._store, call.target, call.accept, call.query)
                return _answer(call, listed)
            case "POST":
                body = await read_body(call.request, kind=call.target.kind.resource.kind)
                entry = await self._writer.create(call.target, body, call.write_options(), call.warnings)
                return self._entry(call, entry, 201)
            case "DELETE":
                return await self._delete_many(call)
        raise errors.method_not_allowed()

    async def _object(self, call: Call) -> web.StreamResponse:
        match call.request.method:
            case "GET" | "HEAD":
                if flag(call.query, "watch"):
                    return await self._watch(call)
                return _answer(call, reading.get(self._store, call.target, call.accept, call.query))
            case "PUT":
                existed = self._exists(call.target)
                body = await read_body(call.request, kind=call.target.kind.resource.kind)
                entry = await self._writer.update(call.target, body, call.write_options(), call.warnings)
                return self._entry(call, entry, 200 if existed else 201)
            case "PATCH":
                existed = self._exists(call.target)
                body = await read_patch(call.request)
                entry = await self._writer.patch(call.target, body, call.write_options(), call.warnings)
                return self._entry(call, entry, 200 if existed else 201)
            case "DELETE":
                return await self._delete(call)
        raise errors.method_not_allowed()

    def _exists(self, target: Target) -> bool:
        return self._store.get(target.kind.collection, target.kind.key(target.namespace, target.name or "")) is not None

    def _entry(self, call: Call, entry: Entry, status: int) -> web.Response:
        return _answer(call, reading.represent(call.target.kind, entry, call.accept, call.query), status)

    async def _delete(self, call: Call) -> web.Response:
        options = deletion.parse_options(call.query, (await read_body(call.request, optional=True)).data)
        entry, is_gone = await self._deleter.delete(call.target, options)
        resource = call.target.kind.resource
        if not is_gone or resource.kind in ANSWERED_WITH_OBJECT:
            return _answer(call, entry.encoded)
        details = errors.details_of(resource, call.target.name or "") | {"uid": entry.object["metadata"]["uid"]}
        return _answer(call, encode({**subresources.SUCCESS, "details": details}))

    async def _delete_many(self, call: Call) -> web.Response:
        options = deletion.parse_options(call.query, (await read_body(call.request, optional=True)).data)
        deleted = await self._deleter.delete_many(call.target, call.query, options)
        resource = call.target.kind.resource
        head: Object = {"kind": resource.kind + "List", "apiVersion": resource.group_version}
        metadata = {"resourceVersion": str(self._store.revision)}
        return _answer(call, encode({**head, "metadata": metadata, "items": [entry.object for entry in deleted]}))

    async def _watch(self, call: Call) -> web.StreamResponse:
        events = await watching.watch(self._store, call.target, call.accept, call.query)
        response = web.StreamResponse(headers=_headers(call))
        response.content_type = JSON
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        await _send(response, events)
        return response

    # --- subresources

    async def _subresource(self, call: Call) -> web.StreamResponse:
        handler: Callable[[Call], Awaitable[web.StreamResponse]] = {
            "scale": self._scale,
            "log": self._log,
            "binding": self._binding,
            "eviction": self._eviction,
            "finalize": self._finalize,
            "exec": self._stream,
            "portforward": self._stream,
            "proxy": self._proxy,
        }[call.target.subresource or ""]
        return await handler(call)

    async def _scale(self, call: Call) -> web.Response:
        current, options = subresources.scale_of(reading.find(self._store, call.target).object), call.write_options()
        match call.request.method:
            case "GET" | "HEAD":
                return _answer(call, encode(current))
            case "PUT":
                wanted, notes = subresources.read_scale(await read_body(call.request, kind="Scale"), options)
            case "PATCH":
                wanted, notes = subresources.patch_scale(current, await read_patch(call.request), options)
            case _:
                raise errors.method_not_allowed()
        call.warnings += notes
        scale = await subresources.update_scale(self._writer, call.target, wanted, options)
        return _answer(call, encode(scale))

    async def _log(self, call: Call) -> web.StreamResponse:
        if call.request.method != "GET":
            raise errors.method_not_allowed()
        return await self._connections.logs.answer(call.request, reading.find(self._store, call.target).object)

    async def _stream(self, call: Call) -> web.StreamResponse:
        if call.request.method not in ("GET", "POST"):
            raise errors.method_not_allowed()
        pod = reading.find(self._store, call.target).object
        return await self._connections.streams.answer(call.request, call.target.subresource or "", pod)

    async def _proxy(self, call: Call) -> web.StreamResponse:
        return await self._connections.proxy.answer(call.request, call.target)

    async def _binding(self, call: Call) -> web.Response:
        _only(call, "POST")
        body = await read_body(call.request)
        status = await subresources.bind(self._writer, call.target, body.data, call.write_options())
        return _answer(call, encode(status), 201)

    async def _eviction(self, call: Call) -> web.Response:
        _only(call, "POST")
        body = await read_body(call.request)
        return _answer(call, encode(await subresources.evict(self._deleter, call.target, body.data)), 201)

    async def _finalize(self, call: Call) -> web.Response:
        _only(call, "PUT")
        body = await read_body(call.request)
        options = call.write_options()
        entry = await subresources.finalize_namespace(self._writer, call.target, body.data, options)
        return self._entry(call, entry, 200)


def _only(call: Call, method: str) -> None:
    if call.request.method != method:
        raise errors.method_not_allowed()


def _deprecations(target: Target) -> list[str]:
    return [ENDPOINTS_WARNING] if target.kind.resource == ENDPOINTS else []


def _headers(call: Call) -> dict[str, str]:
    if not call.warnings:
        return {}
    quoted = (warning.replace("\\", "\\\\").replace('"', '\\"') for warning in call.warnings)
    return {"Warning": ", ".join(f'299 - "{warning}"' for warning in quoted)}


def _answer(call: Call, body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=JSON, headers=_headers(call))


async def _send(response: web.StreamResponse, events: AsyncIterator[bytes]) -> None:
    try:
        async for chunk in events:
            await response.write(chunk)
    except (ConnectionError, asyncio.CancelledError):
        return  # the client went away
    finally:
        await events.aclose()  # type: ignore[attr-defined]


# --- bodies


async def read_body(request: web.Request, optional: bool = False, kind: str = "") -> Body:
    """The body as plain values. JSON where the client says nothing, as kubectl scale does.

    ``kind`` is what the path asks for: an error names it when the body cannot be read.
    """
    raw = await request.read()
    content_type = request.headers.get("Content-Type", JSON).partition(";")[0].strip() or JSON
    if not raw and optional:
        return Body(None, content_type)
    if content_type == PROTOBUF:
        return Body(protobuf.decode(raw), content_type)
    if content_type not in READABLE:
        raise errors.unsupported_media_type(READABLE)
    return _text_body(raw, content_type, kind=kind)


async def read_patch(request: web.Request) -> Body:
    """A patch and its kind; UnsupportedMediaType for any other."""
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if content_type not in PATCHES:
        raise errors.unsupported_patch()
    raw = await request.read()
    if content_type == APPLY:
        return _text_body(raw, "application/yaml", content_type)
    data, duplicates = schema.parse_patch(raw)
    return Body(data, content_type, duplicates)


def _text_body(raw: bytes, content_type: str, called: str = "", kind: str = "") -> Body:
    data, duplicates = schema.parse_body(raw, content_type, kind)
    return Body(data, called or content_type, duplicates)
