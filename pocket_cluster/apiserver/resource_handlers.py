"""Requests for objects: from the method and the path to reading, watching, writing or deleting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from aiohttp import web

from pocket_cluster.api.resources import ENDPOINTS
from pocket_cluster.apiserver import deletion, errors, patch, protobuf, reading, schema, subresources, watching
from pocket_cluster.apiserver.deletion import DeleteOptions, Deleter
from pocket_cluster.apiserver.list_options import parse_list_options
from pocket_cluster.apiserver.negotiation import JSON, PROTOBUF, READABLE, YAML, Accept, negotiate
from pocket_cluster.apiserver.object_proxy import ObjectProxy
from pocket_cluster.apiserver.pod_logs import PodLogs
from pocket_cluster.apiserver.pod_streams import PodStreams
from pocket_cluster.apiserver.request import Body, Target, flag, parse_path
from pocket_cluster.apiserver.store import Entry, Store, encode
from pocket_cluster.apiserver.warning_header import warning_header
from pocket_cluster.apiserver.write_options import WriteOptions, parse_write_options
from pocket_cluster.apiserver.writing import APPLY, Writer

PATCHES = (*patch.CONTENT_TYPES, APPLY)
# Whose deletion is answered with the object that was deleted, not with a Status (ReturnDeletedObject).
ANSWERED_WITH_OBJECT = ("Pod", "Namespace", "Service", "ServiceAccount")
# What answers in the words of the pod, not in the API's.
OF_OTHER_FORMS = ("exec", "log", "portforward", "proxy")
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
        call = Call(request, target, Accept(), _deprecations(target))
        try:
            if target.subresource not in OF_OTHER_FORMS:
                is_list = request.method == "GET" and target.name is None
                call.accept = negotiate(request.headers.get("Accept", ""), is_list)
            return await self._dispatch(call)
        except errors.StatusError as error:
            return _refused(call, error)  # what was warned of is said with the refusal
        except schema.DecodeError as error:
            return _refused(call, errors.bad_request(str(error)))

    async def _dispatch(self, call: Call) -> web.StreamResponse:
        if call.target.subresource and call.target.subresource != "status":
            return await self._subresource(call)
        return await (self._object(call) if call.target.name else self._collection(call))

    async def _collection(self, call: Call) -> web.StreamResponse:
        match call.request.method:
            case "GET":
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
            case "GET":
                if flag(call.query, "watch"):
                    return await self._watch(call)
                return _answer(call, reading.get(self._store, call.target, call.accept, call.query))
            case "PUT":
                existed = self._exists(call.target)
                body = await read_body(call.request, kind=call.target.kind.resource.kind)
                entry = await self._writer.update(call.target, body, call.write_options(), call.warnings)
                return self._entry(call, entry, 200 if existed else 201)
            case "PATCH":
                existed, options = self._exists(call.target), call.write_options()
                body = await read_patch(call.request, existed)
                if not existed and body.content_type != APPLY:
                    raise errors.not_found(call.target.kind.resource, call.target.name or "")
                entry = await self._writer.patch(call.target, body, options, call.warnings)
                return self._entry(call, entry, 200 if existed else 201)
            case "DELETE":
                return await self._delete(call)
        raise errors.method_not_allowed()

    def _exists(self, target: Target) -> bool:
        return self._store.get(target.kind.collection, target.kind.key(target.namespace, target.name or "")) is not None

    def _entry(self, call: Call, entry: Entry, status: int) -> web.Response:
        return _answer(call, reading.represent(call.target.kind, entry, call.accept, call.query), status)

    async def _delete(self, call: Call) -> web.Response:
        options = await _delete_options(call)
        call.warnings += deletion.warnings_for(call.target.kind, options)
        entry, is_gone = await self._deleter.delete(call.target, options)
        resource = call.target.kind.resource
        if not is_gone or resource.kind in ANSWERED_WITH_OBJECT:
            return self._entry(call, entry, 200)
        details = errors.details_of(resource, call.target.name or "") | {"uid": entry.object["metadata"]["uid"]}
        return _answer(call, encode({**subresources.SUCCESS, "details": details}))

    async def _delete_many(self, call: Call) -> web.Response:
        selection = parse_list_options(call.target.kind, call.query).selection
        options = await _delete_options(call)
        call.warnings += deletion.warnings_for(call.target.kind, options)
        deleted = await self._deleter.delete_many(call.target, selection, options)
        metadata = {"resourceVersion": str(self._store.revision)}
        return _answer(call, reading.encode_list(call.target.kind, deleted, metadata))

    async def _watch(self, call: Call) -> web.StreamResponse:
        events = await watching.watch(self._store, call.target, call.accept, call.query)
        response = web.StreamResponse(headers=warning_header(call.warnings))
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
            case "GET":
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
        body = await read_body(call.request, kind="Binding")
        status = await subresources.bind(self._writer, call.target, body, call.write_options(), call.warnings)
        return _answer(call, encode(status), 201)

    async def _eviction(self, call: Call) -> web.Response:
        _only(call, "POST")
        body = await read_body(call.request, kind="Eviction")
        status = await subresources.evict(self._deleter, call.target, body, call.write_options(), call.warnings)
        return _answer(call, encode(status), 201)

    async def _finalize(self, call: Call) -> web.Response:
        _only(call, "PUT")
        body, options = await read_body(call.request, kind="Namespace"), call.write_options()
        entry = await subresources.finalize_namespace(self._writer, call.target, body, options, call.warnings)
        return self._entry(call, entry, 200)


def _only(call: Call, method: str) -> None:
    if call.request.method != method:
        raise errors.method_not_allowed()


def _deprecations(target: Target) -> list[str]:
    return [ENDPOINTS_WARNING] if target.kind.resource == ENDPOINTS else []


def _answer(call: Call, body: bytes, status: int = 200) -> web.Response:
    if call.accept.media_type == YAML:
        text = yaml.safe_dump(json.loads(body), default_flow_style=False, allow_unicode=True)
        return web.Response(text=text, status=status, content_type=YAML, headers=warning_header(call.warnings))
    return web.Response(body=body, status=status, content_type=JSON, headers=warning_header(call.warnings))


def _refused(call: Call, error: errors.StatusError) -> web.Response:
    if error.details == {} and error.code in (405, 406, 415):
        call.warnings.clear()  # refused by method or form, before anybody looked at what it names
    return _answer(call, encode(error.status()), error.code)


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
        return Body(protobuf.decode(raw, kind), content_type)
    if content_type not in READABLE:
        raise errors.unsupported_media_type(READABLE)
    return _text_body(raw, content_type, kind=kind)


async def _delete_options(call: Call) -> DeleteOptions:
    try:
        return deletion.parse_options(call.query, (await read_body(call.request, optional=True)).data)
    except schema.DecodeError as error:
        raise errors.bad_request(error.reason) from None


async def read_patch(request: web.Request, has_object: bool = True) -> Body:
    """A patch and its kind; UnsupportedMediaType for any other. Without an object only an apply is read."""
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if content_type not in PATCHES:
        raise errors.unsupported_patch()
    raw = await request.read()
    if content_type == APPLY:
        try:
            return _text_body(raw, YAML, content_type)
        except schema.DecodeError as error:
            raise errors.bad_request(f"error decoding YAML: error converting YAML to JSON: {error.reason}") from None
    if not has_object:
        return Body(None, content_type)
    return patch.read(raw, content_type)


def _text_body(raw: bytes, content_type: str, called: str = "", kind: str = "") -> Body:
    return Body(schema.parse_body(raw, content_type, kind), called or content_type, raw)
