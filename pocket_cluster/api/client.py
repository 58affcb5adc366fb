"""A small asynchronous client for the Kubernetes API: what the components need and no more."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp

from pocket_cluster.api.credentials import Credentials
from pocket_cluster.api.objects import Object, name, namespace
from pocket_cluster.api.resources import Resource

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
# Real kubelets and controllers watch for five to ten minutes at a time (client-go, tools/cache/reflector.go).
WATCH_SECONDS = 540
REQUEST_SECONDS = 60
# Each needs a TLS connection, which costs both ends a handshake and about 100 KB; a few keep the server busy.
REQUESTS_AT_ONCE = 12

__all__ = ["ApiError", "Client", "Credentials", "ObjectList", "WatchEvent"]


class ApiError(Exception):
    """The API server said no; ``status`` is the Status object that it answered with."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message") or status.get("reason") or "the API server refused the request")
        self.status = status
        self.code = int(status.get("code") or 0)
        self.reason = str(status.get("reason") or "")
        self.message = str(self)
        self.details: Object = status.get("details") or {}


class ObjectList(NamedTuple):
    items: list[Object]
    resource_version: str


class WatchEvent(NamedTuple):
    type: str
    object: Object


class Client:
    """``async with Client(credentials, "kubelet") as client: await client.get(PODS, "web", "default")``.

    Every method raises ApiError when the API server refuses, and aiohttp.ClientError when it cannot be reached.
    """

    def __init__(self, credentials: Credentials, user_agent: str) -> None:
        self._credentials = credentials
        self._headers = {"Authorization": f"Bearer {credentials.token}", "User-Agent": user_agent}
        self._session: aiohttp.ClientSession | None = None
        self._turn = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def __aenter__(self) -> Client:
        context = ssl.create_default_context(cafile=self._credentials.ca_file)
        self._session = aiohttp.ClientSession(
            base_url=self._credentials.server,
            headers=self._headers,
            connector=aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            read_bufsize=2**20,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        return await self._request("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, label_selector: str = "", field_selector: str = ""
    ) -> ObjectList:
        query = _selectors(label_selector, field_selector)
        answer = await self._request("GET", resource.path(namespace), query=query)
        kind = {"apiVersion": resource.group_version, "kind": resource.kind}
        items = [kind | item for item in answer.get("items") or []]
        return ObjectList(items, answer["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, obj: Object, namespace: str | None = None) -> Object:
        path = resource.path(namespace or _namespace_of(resource, obj))
        return await self._request("POST", path, {**_kind(resource), **obj})

    async def update(self, resource: Resource, obj: Object, subresource: str | None = None) -> Object:
        """Replace the object; 409 Conflict when its resourceVersion is no longer the newest."""
        path = resource.path(_namespace_of(resource, obj), name(obj), subresource)
        return await self._request("PUT", path, {**_kind(resource), **obj})

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        subresource: str | None = None,
        kind: str = "merge",
    ) -> Object:
        """Change some fields; ``kind`` is merge, strategic or json."""
        path = resource.path(namespace, name, subresource)
        return await self._request("PATCH", path, body, content_type=PATCH_TYPES[kind])

    async def post_subresource(
        self, resource: Resource, name: str, subresource: str, body: Object, namespace: str | None = None
    ) -> Object:
        """Create a subresource, as a scheduler does with ``binding``."""
        return await self._request("POST", resource.path(namespace, name, subresource), body)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        uid: str | None = None,
        grace_period: int | None = None,
        propagation: str | None = None,
    ) -> Object:
        """Delete the object; with ``uid`` only if it is still that one (409 Conflict otherwise)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        if propagation:
            options["propagationPolicy"] = propagation
        return await self._request("DELETE", resource.path(namespace, name), options)

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """What happens after ``resource_version``, bookmarks included; ends when the server ends the watch."""
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=WATCH_SECONDS + 30, sock_connect=10)
        async with self._open.get(resource.path(namespace), params=query, timeout=timeout) as answer:
            if answer.status >= 400:
                raise ApiError(await _status_of(answer))
            async for line in _lines(answer.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"])
                yield WatchEvent(event["type"], event["object"])

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the client inside `async with`")
        return self._session

    async def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type} if data is not None else {}
        async with self._turn, self._open.request(method, path, params=query, data=data, headers=headers) as answer:
            if answer.status >= 400:
                raise ApiError(await _status_of(answer))
            found: Object = json.loads(await answer.read())
            return found


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: an event may be larger than the reader's buffer."""
    rest = b""
    async for chunk in content.iter_any():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line


async def _status_of(answer: aiohttp.ClientResponse) -> Object:
    text = await answer.text()
    try:
        status: Object = json.loads(text)
    except ValueError:
        status = {}
    if status.get("kind") == "Status":
        return status
    return {"kind": "Status", "code": answer.status, "reason": "", "message": text or str(answer.reason)}


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    query = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {parameter: value for parameter, value in query.items() if value}


def _namespace_of(resource: Resource, obj: Object) -> str | None:
    return namespace(obj) or None if resource.namespaced else None


def _kind(resource: Resource) -> Object:
    return {"apiVersion": resource.group_version, "kind": resource.kind}
