"""What the API knows of its kinds: how they are decoded, filled in, prepared, validated and described.

Pure functions of plain dictionaries, without any I/O but reading the published definitions once. A request takes them
in this order: ``parse_body``, ``decode``, ``set_defaults``, ``prepare_for_create`` or ``prepare_for_update``,
``validate`` or ``validate_update``, ``warnings_for``. Nothing here knows of storage, of HTTP or of who asks.
"""

from pocket_cluster.apiserver.schema.body import (
    DecodeError,
    beyond_floats,
    duplicates_in,
    parse_body,
    parse_text,
    too_deep,
)
from pocket_cluster.apiserver.schema.decode import SCHEME, decode
from pocket_cluster.apiserver.schema.defaults import set_defaults
from pocket_cluster.apiserver.schema.definitions import Field, Schema, definition_for
from pocket_cluster.apiserver.schema.field_errors import FieldError, aggregate
from pocket_cluster.apiserver.schema.go_values import go_print, go_text, go_type, json_type, with_whole_numbers
from pocket_cluster.apiserver.schema.mismatch import mismatch
from pocket_cluster.apiserver.schema.openapi import openapi_document, openapi_index
from pocket_cluster.apiserver.schema.openapi_v2 import openapi_v2_json, openapi_v2_protobuf_body
from pocket_cluster.apiserver.schema.prepare import prepare_for_create, prepare_for_update
from pocket_cluster.apiserver.schema.typed import untypable
from pocket_cluster.apiserver.schema.validation import validate, validate_update
from pocket_cluster.apiserver.schema.warnings import warnings_for

__all__ = [
    "SCHEME",
    "DecodeError",
    "Field",
    "FieldError",
    "Schema",
    "aggregate",
    "beyond_floats",
    "decode",
    "definition_for",
    "duplicates_in",
    "go_print",
    "go_text",
    "go_type",
    "json_type",
    "mismatch",
    "openapi_document",
    "openapi_index",
    "openapi_v2_json",
    "openapi_v2_protobuf_body",
    "parse_body",
    "parse_text",
    "prepare_for_create",
    "prepare_for_update",
    "set_defaults",
    "too_deep",
    "untypable",
    "validate",
    "validate_update",
    "warnings_for",
    "with_whole_numbers",
]
