"""Who am I and may I: reviews are answered, never stored. Everybody with a token may do everything."""

from __future__ import annotations

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.store import encode


def add_review_routes(application: web.Application) -> None:
    authorization = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    authentication = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    application.router.add_post(authorization, _may_i)
    application.router.add_post(authentication, _who_am_i)


async def _may_i(request: web.Request) -> web.Response:
    from pocket_cluster.apiserver.resource_handlers import read_body

    asked = (await read_body(request)).data or {}
    head = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
    return _created({**head, "spec": asked.get("spec") or {}, "status": {"allowed": True}})


async def _who_am_i(request: web.Request) -> web.Response:
    user, groups = request["user"]
    head = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}}
    return _created({**head, "status": {"userInfo": {"username": user, "groups": groups}}})


def _created(review: Object) -> web.Response:
    return web.Response(status=201, body=encode(review), content_type="application/json")
