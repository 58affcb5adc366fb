"""The paths that tell what is served: discovery, OpenAPI and the version."""

from __future__ import annotations

import platform

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver import discovery, errors, schema
from pocket_cluster.apiserver.store import encode
from pocket_cluster.home import KUBERNETES_VERSION

JSON = "application/json"
OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
AGGREGATED = "apidiscovery.k8s.io"


def add_discovery_routes(application: web.Application) -> None:
    router = application.router
    router.add_get("/version", _version)
    for path in ("/api", "/apis"):
        router.add_get(path, _groups)
        router.add_get(path + "/", _groups)
    router.add_get("/api/v1", _resources)
    router.add_get("/apis/{group}", _group)
    router.add_get("/apis/{group}/v1", _resources)
    router.add_get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _no_custom_kinds)
    router.add_get("/openapi/v2", _openapi_v2)
    router.add_get("/openapi/v3", _openapi_index)
    router.add_get("/openapi/v3/{path:.+}", _openapi_document)


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
    for choice in request.headers.get("Accept", "").split(","):
        version = _aggregated_version(choice)
        if version:
            content_type = f"{JSON};g={AGGREGATED};v={version};as=APIGroupDiscoveryList"
            body = encode(discovery.aggregated(path, version))
            return web.Response(body=body, headers={"Content-Type": content_type})
        if choice.strip().partition(";")[0] in (JSON, "*/*"):
            break
    return _json(discovery.api_versions() if path == "/api" else discovery.api_group_list())


def _aggregated_version(choice: str) -> str:
    media_type, *parameters = (part.strip() for part in choice.split(";"))
    options = dict(parameter.partition("=")[::2] for parameter in parameters)
    is_aggregated = options.get("g") == AGGREGATED and options.get("as") == "APIGroupDiscoveryList"
    version = options.get("v", "")
    return version if media_type == JSON and is_aggregated and version in ("v2", "v2beta1") else ""


async def _group(request: web.Request) -> web.Response:
    return _json_or_not_found(discovery.api_group(request.match_info["group"]))


async def _resources(request: web.Request) -> web.Response:
    return _json_or_not_found(discovery.api_resource_list(request.match_info.get("group", "")))


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


def _json_or_not_found(found: Object | None) -> web.Response:
    if found is None:
        raise errors.path_not_found()
    return _json(found)


def _json(content: Object) -> web.Response:
    return web.Response(body=encode(content), content_type=JSON)
