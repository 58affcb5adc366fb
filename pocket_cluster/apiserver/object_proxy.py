"""``pods/NAME/proxy`` and ``services/NAME/proxy``: any HTTP request, passed on to a pod and its answer back.

As apimachinery, pkg/util/proxy (upgradeaware.go, transport.go), and net/http/httputil do it.
"""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable
from typing import NamedTuple

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import ENDPOINTS, PODS
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.proxied_links import rewrite_link, rewrite_page
from pocket_cluster.apiserver.proxy_destination import (
    Asked,
    Destination,
    parse_asked,
    pod_destination,
    service_destination,
)
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.store import Store

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# What concerns one connection alone (RFC 9110, 7.6.1), and what is meant for the API server alone.
NOT_PASSED_ON = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "authorization", "expect"),
    )
)
# Where the path below /proxy begins: /api/v1/namespaces/NAMESPACE/pods/NAME/proxy/REST.
SEGMENTS_BEFORE_REST = 8
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30)

ToLocal = Callable[[tuple[str, int]], tuple[str, int]]


class _Way(NamedTuple):
    """Where one request goes, and how its page's links are to lead back."""

    destination: Destination
    url: URL
    prefix: str
    own_hosts: tuple[str, ...]


class ObjectProxy:
    """Passes requests on; ``to_local`` says where an address of the cluster really is."""

    def __init__(self, store: Store, to_local: ToLocal) -> None:
        self._store = store
        self._to_local = to_local
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def answer(self, request: web.Request, target: Target) -> web.StreamResponse:
        """The pod's answer, or a Status when there is no way to it."""
        if request.method not in METHODS:
            raise errors.method_not_allowed()
        destination = self._destination(target)
        prefix, rest = _split(request.rel_url.raw_path)
        if rest is None and request.method in ("GET", "HEAD"):
            query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
            return web.Response(status=301, headers={"Location": f"{request.path}/{query}"})
        return await self._pass_on(request, self._way(request, destination, prefix, rest or ""))

    # --- where to

    def _destination(self, target: Target) -> Destination:
        resource = target.kind.resource
        asked = parse_asked(target.name or "", target.kind.singular)
        found = self._find(target, asked.name)
        if found is None:
            raise errors.not_found(resource, asked.name)
        if resource == PODS:
            return pod_destination(asked, found)
        return self._service_destination(target, asked, found)

    def _service_destination(self, target: Target, asked: Asked, service: Object) -> Destination:
        where = target.namespace or ""
        entry = self._store.get(BY_RESOURCE[ENDPOINTS].collection, BY_RESOURCE[ENDPOINTS].key(where, asked.name))
        if entry is None:
            raise errors.not_found(ENDPOINTS, asked.name)
        pods = BY_RESOURCE[PODS]

        def find_pod(name: str) -> Object | None:
            pod = self._store.get(pods.collection, pods.key(where, name))
            return pod.object if pod else None

        return service_destination(asked, target.name or "", service, entry.object, find_pod)

    def _find(self, target: Target, name: str) -> Object | None:
        entry = self._store.get(target.kind.collection, target.kind.key(target.namespace, name))
        return entry.object if entry else None

    def _way(self, request: web.Request, destination: Destination, prefix: str, rest: str) -> _Way:
        host, port = self._to_local((destination.host, destination.port))
        query = request.rel_url.raw_query_string
        url = URL(f"{destination.scheme}://{host}:{port}/{rest}{'?' + query if query else ''}", encoded=True)
        return _Way(destination, url, prefix, (f"{destination.host}:{destination.port}", request.host))

    # --- there and back

    async def _pass_on(self, request: web.Request, way: _Way) -> web.StreamResponse:
        body = request.content if request.body_exists else None
        headers = _request_headers(request, way)
        try:
            async with self._open().request(
                request.method, way.url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                return await _answer(request, answer, way)
        except aiohttp.ClientError as error:
            raise errors.service_unavailable(f"error trying to reach service: {_why(error, way)}") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection for each request: pods come and go, and their addresses are given again.
            connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=_any_certificate())
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=TIMEOUT,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


def _any_certificate() -> ssl.SSLContext:
    """Pods' certificates are nobody's business here (insecure-skip-tls-verify of the real proxy's transport)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _split(raw_path: str) -> tuple[str, str | None]:
    """The path up to ``/proxy``, and what follows its slash; None when there is none."""
    parts = raw_path.split("/", SEGMENTS_BEFORE_REST)
    rest = parts[SEGMENTS_BEFORE_REST] if len(parts) > SEGMENTS_BEFORE_REST else None
    return "/".join(parts[:SEGMENTS_BEFORE_REST]), rest


def _without_connection_headers(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    named = {each.strip().lower() for value in headers.getall("Connection", []) for each in value.split(",")}
    dropped = NOT_PASSED_ON | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _request_headers(request: web.Request, way: _Way) -> CIMultiDict[str]:
    headers = _without_connection_headers(CIMultiDict(request.headers))
    earlier = headers.popall("X-Forwarded-For", [])
    headers["X-Forwarded-For"] = ", ".join([*earlier, request.remote or ""])
    headers["X-Forwarded-Uri"] = way.prefix + way.url.raw_path
    return headers


async def _answer(request: web.Request, answer: aiohttp.ClientResponse, way: _Way) -> web.StreamResponse:
    headers = _without_connection_headers(CIMultiDict(answer.headers))
    headers.setdefault("Cache-Control", "no-cache, private")
    if "Location" in headers:
        headers["Location"] = rewrite_link(headers["Location"], way.prefix, way.own_hosts)
    elif _is_readable_page(request, answer):
        headers.popall("Content-Length", None)
        page = _rewritten(await answer.read(), answer, way)
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=page)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    return response


def _is_readable_page(request: web.Request, answer: aiohttp.ClientResponse) -> bool:
    encoding = answer.headers.get("Content-Encoding", "")
    return answer.content_type == "text/html" and encoding in ("", "gzip") and request.method != "HEAD"


def _rewritten(content: bytes, answer: aiohttp.ClientResponse, way: _Way) -> bytes:
    is_packed = answer.headers.get("Content-Encoding") == "gzip"
    text = (gzip.decompress(content) if is_packed else content).decode("utf-8", "surrogateescape")
    page = rewrite_page(text, lambda link: rewrite_link(link, way.prefix, way.own_hosts))
    encoded = page.encode("utf-8", "surrogateescape")
    return gzip.compress(encoded) if is_packed else encoded


def _why(error: aiohttp.ClientError, way: _Way) -> str:
    """The words of a real API server, which dials the pod's address itself."""
    address = f"{way.destination.host}:{way.destination.port}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls: first record does not look like a TLS handshake"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"dial tcp {address}: connect: connection refused"
    return "EOF"
