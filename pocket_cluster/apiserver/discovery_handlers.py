"""The paths that tell what is served: discovery, OpenAPI and the version."""

from __future__ import annotations

import platform

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver import discovery, errors, schema
from pocket_cluster.apiserver.negotiation import JSON, read_choices
from pocket_cluster.apiserver.routes import add_route
from pocket_cluster.apiserver.store import encode
from pocket_cluster.home import KUBERNETES_VERSION

OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# All groups at once: kind, group and version as an Accept header asks for them.
AGGREGATED = [("APIGroupDiscoveryList", "apidiscovery.k8s.io", version) for version in ("v2", "v2beta1")]
PATHS = (
    "/api",
    "/api/v1",
    "/apis",
    "/apis/",
    "/healthz",
    "/livez",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
)


def add_discovery_routes(application: web.Application) -> None:
    add_route(application, "/", _paths)
    answers = {"/version": _version, "/api": _groups, "/apis": _groups, "/api/v1": _resources}
    answers |= {"/apis/{group}": _group, "/apis/{group}/v1": _resources}
    answers |= {f"{path}/": handler for path, handler in answers.items()}
    answers["/apis/apiextensions.k8s.io/v1/customresourcedefinitions"] = _no_custom_kinds
    answers |= {"/openapi/v2": _openapi_v2, "/openapi/v3": _openapi_index, "/openapi/v3/{path:.+}": _openapi_document}
    for path, handler in answers.items():
        add_route(application, path, handler, "GET", "HEAD")


async def _paths(_: web.Request) -> web.Response:
    groups = [path for group in discovery.GROUPS for path in (f"/apis/{group}", f"/apis/{group}/v1")]
    return _json({"paths": sorted([*PATHS, *groups])})


async def _version(_: web.Request) -> web.Response:
    major, minor, _patch = KUBERNETES_VERSION.removeprefix("v").split(".", 2)
    return _json(
        {
            "major": major,
            "minor": minor,
            "gitVersion": KUBERNETES_VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": f"python{platform.python_version()}",
            "compiler": platform.python_implementation(),
            "platform": f"{platform.system().lower()}/{platform.machine()}",
        }
    )


async def _groups(request: web.Request) -> web.Response:
    path = request.path.rstrip("/")
    for choice in read_choices(request.headers.get("Accept", "")):
        if choice.media_type == JSON and (choice.kind, choice.group, choice.version) in AGGREGATED:
            content_type = f"{JSON};g={choice.group};v={choice.version};as={choice.kind}"
            body = encode(discovery.aggregated(path, choice.version))
            return web.Response(body=body, headers={"Content-Type": content_type})
        if choice.media_type in (JSON, "*/*"):
            break
    return _json(discovery.api_versions() if path == "/api" else discovery.api_group_list())


async def _group(request: web.Request) -> web.Response:
    return _json(_served(discovery.api_group(request.match_info["group"])))


async def _resources(request: web.Request) -> web.Response:
    return _json(_served(discovery.api_resource_list(request.match_info.get("group", ""))))


def _served(found: Object | None) -> Object:
    """What there is; outside the groups that are served "not found" is plain text."""
    if found is None:
        raise errors.nothing_there()
    return found


async def _no_custom_kinds(_: web.Request) -> web.Response:
    """kubectl looks here for a kind that OpenAPI lacks. There are none; none can be made, so discovery is silent."""
    head = {"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1"}
    return _json(head | {"metadata": {}, "items": []})


async def _openapi_v2(request: web.Request) -> web.Response:
    """As protobuf to those who ask for it: kubectl, which wrote the version with an @ once."""
    if OPENAPI_V2_PROTOBUF in request.headers.get("Accept", "").replace("@", "."):
        return web.Response(body=schema.openapi_v2_protobuf_body(), content_type=OPENAPI_V2_PROTOBUF)
    return web.Response(body=schema.openapi_v2_json(), content_type=JSON)


async def _openapi_index(_: web.Request) -> web.Response:
    return web.Response(body=schema.openapi_index(), content_type=JSON)


async def _openapi_document(request: web.Request) -> web.Response:
    try:
        document = schema.openapi_document(request.match_info["path"])
    except KeyError:
        raise errors.path_not_found() from None
    return web.Response(body=document, content_type=JSON)


def _json(content: Object) -> web.Response:
    return web.Response(body=encode(content), content_type=JSON)
