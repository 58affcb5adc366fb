"""OpenAPI v3 as kubectl reads it: one document a group and version, for ``explain``, ``apply`` and field validation.

Types and descriptions are the published ones; the operations name what the API server does with each kind. Documents
are made when first asked for and kept as bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.definitions import (
    REFERENCE,
    load_definitions,
    names_by_kind,
    plain_type,
)
from pocket_cluster.apiserver.schema.openapi_connections import connection_paths

COMPONENTS = "#/components/schemas/"
# The kinds whose size can be set through the subresource scale.
SCALABLE = ("Deployment", "ReplicaSet", "StatefulSet")
SCALE = ("autoscaling", "v1", "Scale")
JSON_TYPES = ("application/json", "application/vnd.kubernetes.protobuf", "application/yaml")
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
WRITING = {
    "dryRun": "All: everything is done but the storing.",
    "fieldManager": "The name of who makes this change, at most 128 printable characters.",
    "fieldValidation": "What to do with unknown and repeated fields: Strict refuses, Warn warns, Ignore drops them.",
}
FORCE = {"force": "An apply takes over fields that others manage."}
LISTING = {
    "allowWatchBookmarks": "A watch may send bookmarks.",
    "continue": "Where the last page of a list ended.",
    "fieldSelector": "Restrict the objects by their fields.",
    "labelSelector": "Restrict the objects by their labels.",
    "limit": "How many objects a page may have.",
    "resourceVersion": "The version that a list or watch begins at.",
    "resourceVersionMatch": "How the version is meant.",
    "sendInitialEvents": "A watch begins with what is there.",
    "timeoutSeconds": "When a list or watch ends.",
    "watch": "Send changes as they happen.",
}
DELETING = {
    "dryRun": WRITING["dryRun"],
    "gracePeriodSeconds": "How long the object may take to end.",
    "propagationPolicy": "What happens to what the object owns: Orphan, Background or Foreground.",
}
PARAMETER_TYPES = {"limit": "integer", "timeoutSeconds": "integer", "gracePeriodSeconds": "integer"} | dict.fromkeys(
    ("allowWatchBookmarks", "sendInitialEvents", "watch", "force"), "boolean"
)


def group_version_paths() -> list[str]:
    """``api/v1``, ``apis/apps/v1`` and so on: what the index lists, and ``openapi_document`` takes."""
    return list(dict.fromkeys(each.root.lstrip("/") for each in resources.ALL))


@cache
def openapi_index() -> bytes:
    """The body of ``/openapi/v3``: where each document is, with a hash that clients may keep it by."""
    paths = {}
    for name in group_version_paths():
        digest = hashlib.sha512(openapi_document(name)).hexdigest().upper()
        paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return _encode({"paths": paths})


@cache
def openapi_document(name: str) -> bytes:
    """The document of one group and version, e.g. ``apis/apps/v1``.

    Raises KeyError when no served kind belongs to it.
    """
    served = [each for each in resources.ALL if each.root == f"/{name}"]
    if not served:
        raise KeyError(name)
    definitions = load_definitions()
    writer = _Writer(definitions)
    paths = {path: item for each in served for path, item in writer.paths(each)}
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "components": {
            "schemas": writer.schemas(),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        },
    }
    return _encode(document)


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class _Writer:
    """Collects the types that the operations of one document refer to."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._names = names_by_kind(definitions)
        self._wanted: dict[str, None] = {}

    def paths(self, resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
        """All paths of one resource: collections, objects, the subresources status and scale, and connections."""
        kind = (resource.group, resource.version, resource.kind)
        one = self._name(kind)
        scope = {"namespace": "The object's namespace."} if resource.namespaced else {}
        collection = resource.path("{namespace}")
        yield collection, self._collection(resource, kind, one) | _path_parameters(scope)
        named = scope | {"name": f"The name of the {resource.kind}."}
        yield f"{collection}/{{name}}", self._object(resource, kind, one) | _path_parameters(named)
        if resource.namespaced:
            listing = {"get": self._operation("list", resource, kind, f"{one}List", LISTING)}
            yield resource.path(), listing | _path_parameters({})
        if "status" in self._definitions[one]["properties"]:
            yield f"{collection}/{{name}}/status", self._part(resource, kind, one) | _path_parameters(named)
        if resource.kind in SCALABLE:
            scale = self._part(resource, SCALE, self._name(SCALE))
            yield f"{collection}/{{name}}/scale", scale | _path_parameters(named)
        yield from connection_paths(resource)

    def schemas(self) -> dict[str, Any]:
        """The wanted types and all that they refer to."""
        done: dict[str, Any] = {}
        while self._wanted:
            name, _ = self._wanted.popitem()
            if name not in done and name in self._definitions:
                done[name] = self._schema(name)
        return dict(sorted(done.items()))

    def _name(self, kind: tuple[str, str, str]) -> str:
        return self._names[kind]

    def _collection(self, resource: Resource, kind: tuple[str, str, str], one: str) -> dict[str, Any]:
        return {
            "get": self._operation("list", resource, kind, f"{one}List", LISTING),
            "post": self._operation("post", resource, kind, one, WRITING, (JSON_TYPES[0], "*/*")),
            "delete": self._operation("deletecollection", resource, kind, one, DELETING | LISTING),
        }

    def _object(self, resource: Resource, kind: tuple[str, str, str], one: str) -> dict[str, Any]:
        return self._part(resource, kind, one) | {
            "delete": self._operation("delete", resource, kind, one, DELETING),
        }

    def _part(self, resource: Resource, kind: tuple[str, str, str], one: str) -> dict[str, Any]:
        return {
            "get": self._operation("get", resource, kind, one, {}),
            "put": self._operation("put", resource, kind, one, WRITING, ("*/*",)),
            "patch": self._operation("patch", resource, kind, one, WRITING | FORCE, PATCH_TYPES),
        }

    def _operation(
        self,
        action: str,
        resource: Resource,
        kind: tuple[str, str, str],
        answer: str,
        parameters: dict[str, str],
        body: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        schema = {"schema": self._reference(answer)}
        operation: dict[str, Any] = {
            "description": f"{action} {resource.plural}",
            "parameters": [_query(name, text) for name, text in parameters.items()],
            "responses": {"200": {"description": "OK", "content": dict.fromkeys(JSON_TYPES, schema)}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": dict(zip(("group", "version", "kind"), kind, strict=True)),
        }
        if body:
            given = {"schema": {"type": "object"}} if body == PATCH_TYPES else schema
            operation["requestBody"] = {"content": dict.fromkeys(body, given), "required": True}
        return operation

    def _reference(self, name: str) -> dict[str, str]:
        self._wanted[name] = None
        return {"$ref": COMPONENTS + name}

    def _schema(self, name: str) -> dict[str, Any]:
        definition = self._definitions[name]
        schema = self._value(definition)
        for key in ("description", "required", "x-kubernetes-group-version-kind"):
            if key in definition:
                schema[key] = definition[key]
        if "properties" in definition:
            allowed = _enumerations().get(name, {})
            schema["properties"] = {
                key: _with_enumeration(self._property(value), allowed.get(key))
                for key, value in definition["properties"].items()
            }
        return schema

    def _property(self, value: dict[str, Any]) -> dict[str, Any]:
        extensions = {
            key: item for key, item in value.items() if key == "description" or key.startswith("x-kubernetes-")
        }
        # OpenAPI 3.0 ignores what stands beside a reference.
        if "$ref" in value and extensions:
            return {"allOf": [self._value(value)], **extensions}
        return {**self._value(value), **extensions}

    def _value(self, value: dict[str, Any]) -> dict[str, Any]:
        """The type alone, without the null that the published schemas allow everywhere."""
        if "$ref" in value:
            return dict(self._reference(value["$ref"].removeprefix(REFERENCE)))
        if "oneOf" in value:
            return {"oneOf": [{"type": plain_type(each)} for each in value["oneOf"]]}
        if "type" not in value:
            return {}
        schema: dict[str, Any] = {"type": plain_type(value)}
        if "format" in value:
            schema["format"] = value["format"]
        for key in ("items", "additionalProperties"):
            if isinstance(value.get(key), dict):
                schema[key] = self._value(value[key])
        return schema


@cache
def _enumerations() -> dict[str, dict[str, list[str]]]:
    """The values that fields may have, by type and field; the published definitions lack them."""
    found: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("enumerations.json").read_bytes())
    return found


def _with_enumeration(schema: dict[str, Any], allowed: list[str] | None) -> dict[str, Any]:
    if not allowed:
        return schema
    values = "\n".join(f" - `{json.dumps(value)}`" for value in allowed)
    described = {**schema, "description": f"{schema.get('description', '')}\n\nPossible enum values:\n{values}"}
    if "items" in schema:
        return {**described, "items": {**schema["items"], "enum": allowed}}
    return {**described, "enum": allowed}


def _query(name: str, text: str) -> dict[str, Any]:
    kind = {"type": PARAMETER_TYPES.get(name, "string"), "uniqueItems": True}
    return {"name": name, "in": "query", "description": text, "schema": kind}


def _path_parameters(names: dict[str, str]) -> dict[str, Any]:
    kind = {"type": "string", "uniqueItems": True}
    parameters = [
        {"name": name, "in": "path", "description": text, "required": True, "schema": kind}
        for name, text in names.items()
    ]
    return {"parameters": parameters} if parameters else {}
