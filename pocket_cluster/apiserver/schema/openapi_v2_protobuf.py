"""An OpenAPI v2 document in protobuf, as gnostic-models, openapiv2/OpenAPIv2.proto has it.

Its messages are not those of JSON: maps are lists of named entries, alternatives are wrapped, and extensions are text.
The table says for each message which key of the JSON is which field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

EXTENSION = "x-"
# JSON key: field number and what is in it: string, bool, any, or a message. [] is a list, {} a map whose entries are
# named, > a message that wraps the value in its first field.
MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Document": {
        "swagger": (1, "string"),
        "info": (2, "Info"),
        "paths": (8, "Paths"),
        "definitions": (9, "{}Schema"),
    },
    "Info": {"title": (1, "string"), "version": (2, "string")},
    "PathItem": {
        "get": (2, "Operation"),
        "put": (3, "Operation"),
        "post": (4, "Operation"),
        "delete": (5, "Operation"),
        "options": (6, "Operation"),
        "head": (7, "Operation"),
        "patch": (8, "Operation"),
        "parameters": (9, "[]ParametersItem"),
    },
    "Operation": {
        "description": (3, "string"),
        "produces": (6, "[]string"),
        "consumes": (7, "[]string"),
        "parameters": (8, "[]ParametersItem"),
        "responses": (9, "{}>Response"),
        "schemes": (10, "[]string"),
        EXTENSION: (13, "any"),
    },
    "Response": {"description": (1, "string"), "schema": (2, ">Schema")},
    "BodyParameter": {
        "description": (1, "string"),
        "name": (2, "string"),
        "in": (3, "string"),
        "required": (4, "bool"),
        "schema": (5, "Schema"),
    },
    "QueryParameter": {
        "in": (2, "string"),
        "description": (3, "string"),
        "name": (4, "string"),
        "type": (6, "string"),
        "uniqueItems": (20, "bool"),
    },
    "PathParameter": {
        "required": (1, "bool"),
        "in": (2, "string"),
        "description": (3, "string"),
        "name": (4, "string"),
        "type": (5, "string"),
        "uniqueItems": (19, "bool"),
    },
    "Schema": {
        "$ref": (1, "string"),
        "format": (2, "string"),
        "description": (4, "string"),
        "required": (19, "[]string"),
        "enum": (20, "[]any"),
        "additionalProperties": (21, ">Schema"),
        "type": (22, ">string"),
        "items": (23, ">Schema"),
        "properties": (25, "{}Schema"),
        EXTENSION: (31, "any"),
    },
}
# Where a parameter stands: the fields of ParametersItem, Parameter and NonBodyParameter that lead to it.
PARAMETERS = {
    "body": ((1, 1), "BodyParameter"),
    "query": ((1, 2, 3), "QueryParameter"),
    "path": ((1, 2, 4), "PathParameter"),
}


def encode_document(document: dict[str, Any]) -> bytes:
    """The body; KeyError for a key that the table lacks, so that nothing is left out unseen."""
    return _message("Document", document)


def _message(kind: str, value: Any) -> bytes:
    if kind == "Paths":
        return b"".join(_named(2, "PathItem", name, item) for name, item in value.items())
    if kind == "ParametersItem":
        return _parameters_item(value)
    return b"".join(_fields(kind, value))


def _fields(kind: str, value: dict[str, Any]) -> Iterator[bytes]:
    table = MESSAGES[kind]
    for key, item in value.items():
        if key.startswith(EXTENSION):
            yield _named(table[EXTENSION][0], "any", key, item)
        else:
            yield _field(*table[key], item)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind == "bool":
        return _varint(number << 3) + _varint(int(value))
    if kind.startswith("[]"):
        return b"".join(_field(number, kind[2:], item) for item in value)
    return _piece(number, _content(kind, value))


def _content(kind: str, value: Any) -> bytes:
    if kind == "string":
        return str(value).encode()
    if kind == "any":
        return _piece(2, json.dumps(value).encode())  # its text is YAML, and JSON is YAML
    if kind.startswith("{}"):
        return b"".join(_named(1, kind[2:], name, item) for name, item in value.items())
    if kind.startswith(">"):
        return _piece(1, _content(kind[1:], value))
    return _message(kind, value)


def _named(number: int, kind: str, name: str, value: Any) -> bytes:
    return _piece(number, _piece(1, name.encode()) + _piece(2, _content(kind, value)))


def _parameters_item(parameter: dict[str, Any]) -> bytes:
    way, kind = PARAMETERS[parameter["in"]]
    encoded = _message(kind, parameter)
    for number in reversed(way):
        encoded = _piece(number, encoded)
    return encoded


def _piece(number: int, content: bytes) -> bytes:
    """A field of text, bytes or a message (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
