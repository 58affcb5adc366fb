"""Who am I and may I: reviews are answered, never stored. Everybody with a token may do everything."""

from __future__ import annotations

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors, schema
from pocket_cluster.apiserver.routes import add_route
from pocket_cluster.apiserver.schema.field_errors import Errors, invalid
from pocket_cluster.apiserver.store import encode
from pocket_cluster.apiserver.warning_header import warning_header
from pocket_cluster.apiserver.write_options import parse_write_options

MAY_I = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False)
WHO_AM_I = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False)


def add_review_routes(application: web.Application) -> None:
    add_route(application, f"{MAY_I.root}/{MAY_I.plural}", _may_i, "POST")
    add_route(application, f"{WHO_AM_I.root}/{WHO_AM_I.plural}", _who_am_i, "POST")


async def _may_i(request: web.Request) -> web.Response:
    review, notes = await _review(request, MAY_I)
    problems = _problems(review.get("spec", {}))
    if problems:
        details = {"group": MAY_I.group, "causes": [problem.cause for problem in problems]}
        text = f'.{MAY_I.group} "" is invalid: {schema.aggregate(problems)}'
        raise errors.StatusError(422, "Invalid", text, details)
    return _created({**review, "status": {"allowed": True}}, notes)


async def _who_am_i(request: web.Request) -> web.Response:
    review, notes = await _review(request, WHO_AM_I)
    user, groups = request["user"]
    return _created({**review, "status": {"userInfo": {"username": user, "groups": groups}}}, notes)


async def _review(request: web.Request, resource: Resource) -> tuple[Object, list[str]]:
    """The review in a body, and what is wrong with it that passes with a warning."""
    from pocket_cluster.apiserver.resource_handlers import read_body

    options = parse_write_options(request.query, "POST", request.headers.get("User-Agent", ""), is_apply=False)
    body = await read_body(request, kind=resource.kind)
    review, notes = schema.decode(resource, body.data, options.strictness, body.raw)
    return {"metadata": {}, **review}, notes


def _problems(spec: Object) -> Errors:
    """What a question may not be about (pkg/apis/authorization/validation)."""
    object_, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if object_ is not None and path is not None:
        shown = {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
        why = "cannot be specified in combination with resourceAttributes"
        return [invalid("spec.nonResourceAttributes", shown, why)]
    if object_ is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid("spec.resourceAttributes", None, why)]
    return []


def _created(review: Object, notes: list[str]) -> web.Response:
    headers = warning_header(notes)
    return web.Response(status=201, body=encode(review), content_type="application/json", headers=headers)
