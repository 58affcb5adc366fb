"""OpenAPI v2 (Swagger): the documents of v3 as one, for kubectl, which asks it about kinds that v3 does not name.

The conversion is the one of kube-openapi, pkg/openapiconv, the other way round.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pocket_cluster.apiserver.schema import openapi_v2_protobuf
from pocket_cluster.apiserver.schema.openapi import COMPONENTS, group_version_paths, openapi_document

DEFINITIONS = "#/definitions/"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


@cache
def openapi_v2_json() -> bytes:
    """The body of ``/openapi/v2`` as JSON."""
    return json.dumps(_document(), separators=(",", ":")).encode()


@cache
def openapi_v2_protobuf_body() -> bytes:
    """The same as a ``openapi.v2.Document`` of gnostic, the only form that kubectl reads."""
    return openapi_v2_protobuf.encode_document(_document())


def _document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name in group_version_paths():
        document = json.loads(openapi_document(name).replace(COMPONENTS.encode(), DEFINITIONS.encode()))
        paths |= {path: _path_item(item) for path, item in document["paths"].items()}
        definitions |= {kind: _schema(schema) for kind, schema in document["components"]["schemas"].items()}
    definitions[INT_OR_STRING]["format"] = "int-or-string"
    info = {"title": "Kubernetes", "version": "1.36"}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": dict(sorted(definitions.items()))}


def _path_item(item: dict[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {method: _operation(item[method]) for method in METHODS if method in item}
    if "parameters" in item:
        converted["parameters"] = [_parameter(parameter) for parameter in item["parameters"]]
    return converted


def _operation(operation: dict[str, Any]) -> dict[str, Any]:
    rest = dict(operation)
    parameters = [_parameter(parameter) for parameter in rest.pop("parameters", [])]
    answers = rest.pop("responses")
    body = rest.pop("requestBody", None)
    consumes = list(body["content"]) if body else ["*/*"]
    if body:
        parameters.insert(0, {"name": "body", "in": "body", "required": True, "schema": _content(body)})
    return {
        **rest,
        "consumes": consumes,
        "produces": list(answers["200"]["content"]),
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {
            code: {"description": answer["description"], "schema": _content(answer)} for code, answer in answers.items()
        },
    }


def _content(holder: dict[str, Any]) -> Any:
    return next(iter(holder["content"].values()))["schema"]


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in parameter.items() if key != "schema"}, **parameter["schema"]}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Version 2 has no alternatives ("number or string" becomes string); what stands beside a reference counts."""
    converted = dict(schema)
    if converted.pop("oneOf", None):
        converted["type"] = "string"
    for reference in converted.pop("allOf", ()):
        converted |= reference
    if "properties" in converted:
        converted["properties"] = {key: _schema(value) for key, value in converted["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in converted:
            converted[key] = _schema(converted[key])
    return converted
