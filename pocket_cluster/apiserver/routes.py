"""Paths and their handlers; what a client expects before it sends a body is answered alike on all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_route(application: web.Application, path: str, handler: Handler, *methods: str) -> None:
    """Answer these methods of a path; all when none is named."""
    for method in methods or ("*",):
        application.router.add_route(method, path, handler, expect_handler=_expectation)


async def _expectation(request: web.Request) -> None:
    """Says that the body may come; 417 for any other wish, as net/http answers it."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="")
    if request.transport and request.version >= HttpVersion11:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
