"""The HTTPS server: who may come in, which handler a request goes to, and how refusals look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Middleware

from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.discovery_handlers import add_discovery_routes
from pocket_cluster.apiserver.resource_handlers import ResourceHandlers
from pocket_cluster.apiserver.reviews import add_review_routes
from pocket_cluster.apiserver.routes import Handler, add_route
from pocket_cluster.apiserver.schema import DecodeError
from pocket_cluster.apiserver.store import NotWritten, encode
from pocket_cluster.strangers import user_of

logger = logging.getLogger("pocket_cluster.apiserver")

# What needs no token, so that a program can see whether the server lives.
ANONYMOUS = ("/healthz", "/livez", "/readyz", "/version")
LARGEST_BODY = 3 * 1024 * 1024  # as the real API server

Users = Mapping[str, tuple[str, list[str]]]
LetStay = Callable[[asyncio.BaseTransport | None], None]


def make_application(handlers: ResourceHandlers, users: Users, let_stay: LetStay) -> web.Application:
    """The whole API. ``users`` are the user and groups of each bearer token; who shows one is told ``let_stay``."""
    application = web.Application(
        middlewares=[_refusals_as_status, _authentication(users, let_stay)], client_max_size=LARGEST_BODY
    )
    for path in ("/healthz", "/livez", "/readyz"):
        add_route(application, path, _ok)
    add_discovery_routes(application)
    add_review_routes(application)
    add_route(application, "/{path:.*}", handlers.handle)
    return application


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@web.middleware
async def _refusals_as_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is a Status object, also those of aiohttp and those that are our own mistakes."""
    try:
        return await handler(request)
    except errors.StatusError as error:
        return status_response(error)
    except DecodeError as error:
        return status_response(errors.bad_request(str(error)))
    except web.HTTPRequestEntityTooLarge:
        message = f"limit on request body size is {LARGEST_BODY} bytes"
        return status_response(errors.StatusError(413, "RequestEntityTooLarge", message))
    except web.HTTPMethodNotAllowed:
        return status_response(errors.method_not_allowed())
    except web.HTTPException:
        raise
    except NotWritten as error:
        logger.warning("%s %s: nothing was written: %s", request.method, request.path, error)
        why = f"Internal error occurred: nothing was written: {error}. See whether the disk is full."
        return status_response(errors.internal(why))
    except Exception as error:
        logger.exception("%s %s", request.method, request.path_qs)
        return status_response(errors.internal(f"Internal error occurred: {type(error).__name__}: {error}"))


def status_response(error: errors.StatusError) -> web.Response:
    response = web.Response(status=error.code, body=encode(error.status()), content_type="application/json")
    if error.code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _authentication(users: Users, let_stay: LetStay) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        user = user_of(request.headers.get("Authorization", ""), users)
        if user:
            let_stay(request.transport)
        elif request.path.rstrip("/") not in ANONYMOUS:
            raise errors.unauthorized()
        request["user"] = user or ("system:anonymous", ["system:unauthenticated"])
        return await handler(request)

    return authenticate
