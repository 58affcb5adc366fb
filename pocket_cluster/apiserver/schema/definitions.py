"""The types of the served kinds, compiled once from the real API's published definitions.

``kubernetes-validate`` ships them as ``_definitions.json``. What they do not say, but what decoding and encoding
depend on, stands in ``go_types.json``: the name of a field's Go type where it differs from what the schema implies,
``*`` for a pointer (which keeps a zero that was given), ``!`` for a field that is written although empty and not
required, ``?`` for one that is left out although required (k8s.io/api and k8s.io/apimachinery at v0.36.3,
the struct tags in types.go).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource

REFERENCE = "#/$defs/"
FOLDER = "kubernetes-json-schema/v1.36.0-local"
ANY = "any"
# Types that Go decodes by code of their own, by the last part of their name.
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("int-or-string", "intstr.IntOrString"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("quantity", "resource.Quantity"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("time", "v1.Time"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("micro-time", "v1.MicroTime"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": (ANY, "v1.FieldsV1"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": (ANY, "runtime.RawExtension"),
}
ZEROS: dict[str, Any] = {
    "string": "", "int32": 0, "int64": 0, "bool": False, "bytes": "", "time": None, "micro-time": None,
    "int-or-string": 0, "quantity": "0", "list": None, "map": None, ANY: None,
}  # fmt: skip


@dataclass(slots=True)
class Schema:
    """One type. ``kind``: struct, list, map, string, int32, int64, bool, bytes, time, micro-time, quantity,
    int-or-string or any; ``go`` is its name in decoding errors."""

    kind: str
    go: str
    name: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    items: Schema | None = None
    # A struct that has one manager as a whole.
    is_atomic: bool = False
    # Fields that Go writes even when nothing was given, in the order of the definitions.
    always: tuple[Field, ...] = ()

    @property
    def zero(self) -> Any:
        return {} if self.kind == "struct" else ZEROS[self.kind]


@dataclass(slots=True)
class Field:
    """One field of a struct, with what patches need to know of it.

    ``patch_strategy`` is what the definition says, e.g. ``merge`` or ``retainKeys`` or ``merge,retainKeys``;
    ``list_type`` is atomic, set, map or ``""``, ``map_keys`` the keys of a list of type map.
    """

    name: str
    schema: Schema
    pointer: bool
    written_when_empty: bool
    merge_key: str = ""
    patch_strategy: str = ""
    list_type: str = ""
    map_type: str = ""
    map_keys: tuple[str, ...] = ()


def definitions_file() -> Path:
    """Where the definitions are; found without importing the package, which would import jsonschema."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "The package kubernetes-validate, which holds the definitions of the Kubernetes API, is not installed. "
            "Install it with: pip install 'kubernetes-validate>=1.36,<2'"
        )
    return Path(spec.submodule_search_locations[0], FOLDER, "_definitions.json")


def load_definitions() -> dict[str, Any]:
    """All published types by name, as they stand in the file (about 20 ms; not kept)."""
    found: dict[str, Any] = json.loads(definitions_file().read_bytes())["$defs"]
    return found


@cache
def definition_for(resource: Resource) -> Schema:
    """The compiled type of a kind.

    Raises KeyError when the definitions have no such kind.
    """
    compiled = _compile_served()
    key = (resource.group, resource.version, resource.kind)
    if key not in compiled:
        return _Compiler(load_definitions()).compile([key])[key]
    return compiled[key]


@cache
def _compile_served() -> dict[tuple[str, str, str], Schema]:
    return _Compiler(load_definitions()).compile([(each.group, each.version, each.kind) for each in resources.ALL])


@cache
def go_types() -> Mapping[str, Mapping[str, str]]:
    """What ``go_types.json`` says, by the name of the type and of the field."""
    found: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("go_types.json").read_bytes())
    return found


class _Compiler:
    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._compiled: dict[str, Schema] = {}

    def compile(self, keys: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], Schema]:
        names = names_by_kind(self._definitions)
        return {key: self._named(names[key]) for key in keys}

    def _named(self, name: str) -> Schema:
        if name in self._compiled:
            return self._compiled[name]
        definition = self._definitions[name]
        if name in SPECIAL:
            kind, go = SPECIAL[name]
            schema = self._compiled[name] = Schema(kind, go)
        elif "properties" not in definition:
            schema = self._compiled[name] = self._inline(definition, "")
        else:
            short = name.rsplit(".", 1)[-1]
            schema = self._compiled[name] = Schema("struct", _go_name(name), short)
            schema.is_atomic = definition.get("x-kubernetes-map-type") == "atomic"
            self._add_fields(name, schema, definition)
        return schema

    def _add_fields(self, name: str, schema: Schema, definition: dict[str, Any]) -> None:
        facts, needed = go_types().get(name, {}), definition.get("required", [])
        for key, value in definition["properties"].items():
            schema.fields[key] = self._field(key, value, facts.get(key, ""), key in needed)
        schema.always = tuple(each for each in schema.fields.values() if each.written_when_empty)

    def _field(self, key: str, value: dict[str, Any], fact: str, is_required: bool) -> Field:
        go = fact.rstrip("!?").lstrip("*")
        schema = self._inline(value, go)
        pointer = fact.startswith("*")
        # Go leaves out an empty scalar, list or map, but never a struct that is no pointer.
        omitted = (not is_required or fact.endswith("?")) and not fact.endswith("!")
        is_go_struct = schema.kind in ("struct", "time", "micro-time", "int-or-string", "quantity")
        written = not pointer and key != "creationTimestamp" and (is_go_struct or not omitted)
        return Field(
            key,
            schema,
            pointer,
            written,
            merge_key=value.get("x-kubernetes-patch-merge-key", ""),
            patch_strategy=value.get("x-kubernetes-patch-strategy", ""),
            list_type=value.get("x-kubernetes-list-type", ""),
            map_type=value.get("x-kubernetes-map-type", "atomic" if schema.is_atomic else ""),
            map_keys=tuple(value.get("x-kubernetes-list-map-keys", ())),
        )

    def _inline(self, value: dict[str, Any], go: str) -> Schema:
        if "$ref" in value:
            return self._named(value["$ref"].removeprefix(REFERENCE))
        kind = plain_type(value)
        if kind == "array":
            items = self._inline(value["items"], go.removeprefix("[]") if go.startswith("[]") else "")
            return Schema("list", go or f"[]{items.go}", items=items)
        if kind == "object":
            if "additionalProperties" not in value:
                return Schema(ANY, go or "map[string]interface {}")
            items = self._inline(value["additionalProperties"], "")
            return Schema("map", go or f"map[string]{items.go}", items=items)
        if value.get("format") == "byte":
            return Schema("bytes", "[]uint8")
        return _scalar(kind, value.get("format", ""), go)


def _scalar(kind: str, form: str, go: str) -> Schema:
    match kind:
        case "integer":
            width = "int32" if form == "int32" else "int64"
            return Schema(width, go or width)
        case "boolean":
            return Schema("bool", go or "bool")
        case "string":
            return Schema("string", go or "string")
    return Schema(ANY, go or "float64")


def plain_type(value: Mapping[str, Any]) -> str:
    """The type without the ``null`` that the published schemas add to everything optional."""
    kinds = value.get("type", ANY)
    return str(next(each for each in kinds if each != "null")) if isinstance(kinds, list) else str(kinds)


def _go_name(name: str) -> str:
    """``io.k8s.api.core.v1.PodSpec`` as Go prints the type: ``v1.PodSpec``."""
    return ".".join(name.rsplit(".", 2)[-2:])


def names_by_kind(definitions: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """The definition's name for each group, version and kind."""
    found: dict[tuple[str, str, str], str] = {}
    for name, definition in definitions.items():
        for each in definition.get("x-kubernetes-group-version-kind", ()):
            found.setdefault((each["group"], each["version"], each["kind"]), name)
    return found


def is_served_kind(group: str, version: str, kind: str) -> bool:
    """Whether this is one of the kinds that the cluster serves."""
    return any((each.group, each.version, each.kind) == (group, version, kind) for each in resources.ALL)
