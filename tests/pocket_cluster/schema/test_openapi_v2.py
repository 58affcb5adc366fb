"""The document of version 2 holds what kubectl looks for when version 3 does not know a kind."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema import openapi_document, openapi_v2_json, openapi_v2_protobuf_body

KINDS = pytest.mark.parametrize("resource", resources.ALL, ids=lambda resource: resource.kind)
# The fields that kubectl goes through, by the numbers of gnostic-models, openapiv2/OpenAPIv2.proto.
DOCUMENT_PATHS, DOCUMENT_DEFINITIONS, PATHS_PATH, ENTRIES, NAME, VALUE = 8, 9, 2, 1, 1, 2
ITEM_PATCH, OPERATION_PARAMETERS, OPERATION_EXTENSIONS, ANY_TEXT = 8, 8, 13, 2
PARAMETER, NON_BODY, QUERY, QUERY_NAME = 1, 2, 3, 4
SCHEMA_EXTENSIONS, SCHEMA_PROPERTIES, SCHEMA_TYPE = 31, 25, 22


def read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if message[place - 1] < 0x80:
            return number, place


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        length, place = read_varint(message, place)
        if tag & 7 == 0:
            yield tag >> 3, length
        else:
            assert tag & 7 == 2
            yield tag >> 3, message[place : place + length]
            place += length


def at(message: bytes, *way: int) -> list[Any]:
    """All values that a way of field numbers leads to."""
    found = [message]
    for number in way:
        found = [value for each in found for field, value in fields(each) if field == number]
    return found


def entries(message: bytes, *way: int) -> dict[str, bytes]:
    return {at(each, NAME)[0].decode(): at(each, VALUE)[0] for each in at(message, *way)}


def extension(message: bytes, number: int, name: str) -> Any:
    found = entries(message, number).get(name)
    return found and json.loads(at(found, ANY_TEXT)[0])


@KINDS
def test_kubectl_finds_that_the_server_validates_fields(resource: Resource) -> None:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    patches = at(openapi_v2_protobuf_body(), DOCUMENT_PATHS, PATHS_PATH, VALUE, ITEM_PATCH)
    name = "x-kubernetes-group-version-kind"
    mine = next(each for each in patches if extension(each, OPERATION_EXTENSIONS, name) == kind)
    assert b"fieldValidation" in at(mine, OPERATION_PARAMETERS, PARAMETER, NON_BODY, QUERY, QUERY_NAME)


@KINDS
def test_kubectl_finds_the_type_of_a_kind(resource: Resource) -> None:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    types = entries(openapi_v2_protobuf_body(), DOCUMENT_DEFINITIONS, ENTRIES)
    name = "x-kubernetes-group-version-kind"
    mine = [each for each in types.values() if kind in (extension(each, SCHEMA_EXTENSIONS, name) or [])]
    assert len(mine) == 1
    assert "metadata" in entries(mine[0], SCHEMA_PROPERTIES, ENTRIES)


def test_both_forms_name_the_same_paths_and_types() -> None:
    document, body = json.loads(openapi_v2_json()), openapi_v2_protobuf_body()
    assert list(document["paths"]) == list(entries(body, DOCUMENT_PATHS, PATHS_PATH))
    assert list(document["definitions"]) == list(entries(body, DOCUMENT_DEFINITIONS, ENTRIES))


@KINDS
def test_every_path_of_version_3_is_there_with_the_same_methods(resource: Resource) -> None:
    newer = json.loads(openapi_document(resource.root.lstrip("/")))["paths"]
    paths = json.loads(openapi_v2_json())["paths"]
    assert all(set(paths[path]) == set(item) for path, item in newer.items())


def test_every_reference_leads_somewhere() -> None:
    definitions = json.loads(openapi_v2_json())["definitions"]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                assert value["$ref"].removeprefix("#/definitions/") in definitions
            for item in value.values():
                check(item)
        elif isinstance(value, list):
            for item in value:
                check(item)

    check(definitions)


@pytest.mark.parametrize(
    "name", ["io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"]
)
def test_what_is_a_number_or_a_string_is_called_a_string(name: str) -> None:
    types = entries(openapi_v2_protobuf_body(), DOCUMENT_DEFINITIONS, ENTRIES)
    assert at(types[name], SCHEMA_TYPE, 1) == [b"string"]
