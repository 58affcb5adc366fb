"""Typed decoding: a plain value becomes the object that Go's decoder would make of it, or the error that it would give.

Wording and order follow sigs.k8s.io/json (a fork of encoding/json) and apiserver, endpoints/handlers. As Go's
``omitempty`` does on the way out, an empty value that was no pointer leaves no trace: ``minReadySeconds: 0`` goes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object, micro_time_text, time_text
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.body import DecodeError, TwiceGiven, WrittenNumber, unrecognized
from pocket_cluster.apiserver.schema.definitions import ANY, Schema, definition_for, is_served_kind
from pocket_cluster.apiserver.schema.field_errors import go_string
from pocket_cluster.apiserver.schema.go_values import json_type

TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
SCHEME = 'scheme "pkg/runtime/scheme.go:111"'
BOUNDS = {"int32": 2**31, "int64": 2**63}
SCALARS = {"string": str, "bool": bool}
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
TIME_LAYOUT, MICRO_LAYOUT = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
MICRO_TIME = re.compile(TIME.pattern.replace(r"(\.\d+)?", r"(\.\d{6})"))
TIME_PIECES = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05", "Z07:00")
MICRO_PIECES = (*TIME_PIECES[:-1], ".000000", TIME_PIECES[-1])
# What fits a piece that is neither two digits nor itself.
TIME_FORMS = {"2006": r"\d{4}", ".000000": r"\.\d{6}"}
# Structs and which of their fields belong to a struct that Go embeds in them (k8s.io/api, core/v1/types.go).
REFERENCES = ("ConfigMapEnvSource", "ConfigMapKeySelector", "ConfigMapProjection", "ConfigMapVolumeSource",
              "SecretEnvSource", "SecretKeySelector", "SecretProjection")  # fmt: skip
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "hostPath", "image", "persistentVolumeClaim",
           "projected", "secret")  # fmt: skip
EMBEDDED = {
    "Probe": ("ProbeHandler", HANDLERS),
    "Volume": ("VolumeSource", VOLUMES),
    **dict.fromkeys(REFERENCES, ("LocalObjectReference", ("name",))),
}
DROPPED = object()


def decode(resource: Resource, data: Any, strictness: str = "Strict", raw: bytes = b"") -> tuple[Object, list[str]]:
    """The typed object, and what ``strictness`` ("Strict", "Warn" or "Ignore") lets pass with a warning.

    ``raw`` is the text that errors show. The result is a new object; unknown fields, nulls and empty values are not in
    it. Raises DecodeError: 400, in the real API's words.
    """
    data = {} if data is None else data
    group_version, kind = _type_meta(resource, data, raw)
    prefix = f'{kind} in version "{group_version.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
    if (group_version, kind) != (resource.group_version, resource.kind):
        why = _wrong_kind(resource, group_version, kind)
        raise DecodeError(prefix + why, why)
    decoder = _Decoder()
    try:
        found = decoder.struct(definition_for(resource), data, "", "")
    except _Malformed as error:
        raise DecodeError(prefix + str(error), str(error)) from None
    if decoder.first_error:
        raise DecodeError(prefix + decoder.first_error, decoder.first_error)
    if decoder.notes and strictness == "Strict":
        why = f"strict decoding error: {', '.join(decoder.notes)}"
        raise DecodeError(prefix + why, why)
    metadata = {"metadata": found["metadata"]} if "metadata" in found else {}
    found = {"kind": kind, "apiVersion": group_version, **metadata, **found}
    convert = CONVERSIONS.get(resource.kind)
    if convert:
        convert(found)
    return found, decoder.notes if strictness == "Warn" else []


def _type_meta(resource: Resource, data: Any, raw: bytes) -> tuple[str, str]:
    """The apiVersion and kind that the body claims; those of the path where it claims none."""
    problem = _type_meta_problem(data)
    if problem:
        text = raw or json.dumps(data, separators=(",", ":")).encode()
        raise unrecognized(resource.kind, f"couldn't get version/kind; json parse error: {problem}", text)
    return data.get("apiVersion") or resource.group_version, data.get("kind") or resource.kind


def _type_meta_problem(data: Any) -> str:
    if not isinstance(data, dict):
        return f"json: cannot unmarshal {json_type(data)} into Go value of type {TYPE_META}"
    for field, value, _ in given(data):
        if field in ("apiVersion", "kind") and not isinstance(value, str | None):
            return f"json: cannot unmarshal {json_type(value)} into Go struct field .{field} of type string"
    return ""


def _wrong_kind(resource: Resource, group_version: str, kind: str) -> str:
    group, _, version = group_version.rpartition("/")
    if not is_served_kind(group, version, kind):
        return f'no kind "{kind}" is registered for version "{group_version}" in {SCHEME}'
    into = f"{(resource.group or 'core').partition('.')[0]}.{resource.kind}"
    return f"converting ({version}.{kind}) to ({into}): unknown conversion"


def special_error(kind: str, item: Any) -> str:
    """What a type with a reader of its own says to a value; ``""`` when it takes it."""
    decoder = _Decoder()
    try:
        decoder.value(Schema(kind, ""), item, "", "", "")
    except _Malformed as error:
        return str(error)
    return decoder.first_error


class _Malformed(Exception):
    """An error that ends decoding at once: types with a reader of their own."""


class _Decoder:
    """One decoding. ``struct`` and ``go_path`` place a type error, ``path`` a strict one (it has list indexes)."""

    def __init__(self) -> None:
        self.first_error = ""
        self.notes: list[str] = []

    def struct(self, schema: Schema, value: dict[str, Any], go_path: str, path: str) -> Object:
        found: Object = {}
        for key, item, is_again in given(value):
            child = f"{path}.{key}" if path else key
            field = schema.fields.get(key)
            if field is None:
                self.notes.append(f"unknown field {go_string(child)}")
                continue
            if is_again:
                self.notes.append(f"duplicate field {go_string(child)}")
            if item is None:
                continue
            place = ".".join(part for part in (go_path, _embedded_in(schema.name, key), key) if part)
            decoded = self.value(field.schema, item, schema.name, place, child)
            if (field.pointer and decoded is not DROPPED) or not _is_empty(field.schema, decoded):
                found[key] = decoded
        return found

    def value(self, schema: Schema, item: Any, struct: str, go_path: str, path: str) -> Any:
        kind = schema.kind
        if kind in SCALARS:
            return item if isinstance(item, SCALARS[kind]) else self._type_error(schema, item, struct, go_path)
        if kind in BOUNDS:
            return self._integer(schema, item, struct, go_path)
        if kind == "struct" and isinstance(item, dict):
            return self.struct(schema, item, go_path, path)
        if kind == "list" and isinstance(item, list):
            return self._list(schema, item, struct, go_path, path)
        if kind == "map" and isinstance(item, dict):
            return self._map(schema, item, struct, go_path, path)
        if kind == "bytes" and isinstance(item, str):
            return self._bytes(item)
        if kind == ANY:
            return item
        if kind in ("struct", "list", "map", "bytes"):
            return self._type_error(schema, item, struct, go_path)
        return self._special(kind, item, struct, go_path)

    def _list(self, schema: Schema, items: list[Any], struct: str, go_path: str, path: str) -> list[Any]:
        assert schema.items is not None
        of = schema.items
        found = [
            of.zero if item is None else self.value(of, item, struct, go_path, f"{path}[{index}]")
            for index, item in enumerate(items)
        ]
        return [item for item in found if item is not DROPPED]

    def _map(self, schema: Schema, items: dict[str, Any], struct: str, go_path: str, path: str) -> dict[str, Any]:
        assert schema.items is not None
        of, found = schema.items, {}
        for key, item, is_again in given(items):
            child = f"{path}.{key}"
            if is_again:
                self.notes.append(f"duplicate field {go_string(child)}")
            found[key] = of.zero if item is None else self.value(of, item, struct, go_path, child)
        return {key: item for key, item in found.items() if item is not DROPPED}

    def _integer(self, schema: Schema, item: Any, struct: str, go_path: str) -> Any:
        if isinstance(item, bool) or not isinstance(item, int | float):
            return self._type_error(schema, item, struct, go_path)
        bound = BOUNDS[schema.kind]
        if isinstance(item, float) or not -bound <= item < bound:
            return self._type_error(schema, item, struct, go_path, f"number {_digits(item)}")
        return item

    def _bytes(self, item: str) -> Any:
        try:
            base64.b64decode(item.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            self.first_error = self.first_error or f"illegal base64 data at input byte {_base64_error(item)}"
            return DROPPED
        return item

    def _type_error(self, schema: Schema, item: Any, struct: str, go_path: str, found: str = "") -> Any:
        if not self.first_error:
            self.first_error = _unmarshal_error(found or json_type(item), schema.go, struct, go_path)
        return DROPPED

    def _special(self, kind: str, item: Any, struct: str, go_path: str) -> Any:
        if kind == "quantity":
            return _quantity(item)
        if kind == "int-or-string":
            if isinstance(item, str):
                return item
            if isinstance(item, bool) or not isinstance(item, int | float):
                raise _Malformed(_unmarshal_error(json_type(item), "int32", struct, go_path))
            if isinstance(item, float) or not -BOUNDS["int32"] <= item < BOUNDS["int32"]:
                raise _Malformed(_unmarshal_error(f"number {_digits(item)}", "int32", struct, go_path))
            return item
        if not isinstance(item, str):
            raise _Malformed(_unmarshal_error(json_type(item), "string", struct, go_path))
        return _time(item, is_micro=kind == "micro-time")


def given(value: dict[str, Any]) -> Iterable[tuple[str, Any, bool]]:
    """What an object's text says, in its order, and whether it was said before; what is said last counts."""
    return value.pairs if isinstance(value, TwiceGiven) else ((key, item, False) for key, item in value.items())


def _embedded_in(struct: str, field: str) -> str:
    """The struct that Go embeds in another for some of its fields: it stands in the path of an error."""
    name, fields = EMBEDDED.get(struct, ("", ()))
    return name if field in fields else ""


def _is_empty(schema: Schema, value: Any) -> bool:
    """What ``omitempty`` leaves out of the output. An empty struct that is no pointer is written later, if at all."""
    if value is DROPPED:
        return True
    match schema.kind:
        case "struct" | "list" | "map" | "string" | "bytes":
            return not value
        case "bool":
            return value is False
        case "int32" | "int64":
            return bool(value == 0)
    return False


def _unmarshal_error(found: str, go: str, struct: str, go_path: str) -> str:
    where = f"struct field {struct}.{go_path}" if go_path else "value"
    return f"json: cannot unmarshal {found} into Go {where} of type {go}"


def _digits(number: Any) -> str:
    return number.text if isinstance(number, WrittenNumber) else str(number)


def _quantity(item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, str | int | float):
        raise _Malformed(quantity.MALFORMED)
    try:
        return quantity.canonical(item if isinstance(item, str) else _digits(item))
    except quantity.QuantityError as error:
        raise _Malformed(str(error)) from None


def _base64_error(text: str) -> int:
    """Where Go's decoder stops: the first byte outside the alphabet, else the end of the last whole group."""
    for index, letter in enumerate(text):
        if not re.match(r"[A-Za-z0-9+/\r\n]", letter) and not re.fullmatch(r"={1,2}[\r\n]*", text[index:]):
            return index
    return len(text) // 4 * 4 if len(text) % 4 else len(text)


def _time(text: str, is_micro: bool) -> str:
    found = (MICRO_TIME if is_micro else TIME).fullmatch(text)
    if not found:
        raise _Malformed(_time_error(text, is_micro))
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Malformed(f'parsing time "{text}": {_out_of_range(found)} out of range') from None
    return micro_time_text(moment) if is_micro else time_text(moment)


def _out_of_range(found: re.Match[str]) -> str:
    month, hour, minute, second = (int(found[index]) for index in (2, 4, 5, 6))
    limits = [("month", 1 <= month <= 12), ("hour", hour < 24), ("minute", minute < 60), ("second", second < 60)]
    return next((name for name, is_fine in limits if not is_fine), "day")


def _time_error(text: str, is_micro: bool) -> str:
    """Go names the rest of the text, and the piece of the layout that it does not fit (time.Parse)."""
    rest, layout = text, MICRO_LAYOUT if is_micro else TIME_LAYOUT
    for piece in MICRO_PIECES if is_micro else TIME_PIECES:
        found = re.match(TIME_FORMS.get(piece) or (r"\d\d" if piece.isdigit() else re.escape(piece)), rest)
        if not found:
            break
        rest = rest[found.end() :]
    return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{piece}"'


def _secret(secret: Object) -> None:
    """What was given as text joins the data (pkg/apis/core/v1/conversion.go)."""
    texts = secret.pop("stringData", {})
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**secret.get("data", {}), **encoded}


def _pod(pod: Object) -> None:
    """An address and the list that begins with it say the same; a negative grace period means one second."""
    spec = pod.get("spec", {})
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    status = pod.get("status", {})
    for one, several in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
        if status.get(one) and (status.get(several) or [{}])[0].get("ip") != status[one]:
            status[several] = [{"ip": status[one]}]


def _node(node: Object) -> None:
    spec = node.get("spec", {})
    if spec.get("podCIDR") and (spec.get("podCIDRs") or [""])[0] != spec["podCIDR"]:
        spec["podCIDRs"] = [spec["podCIDR"]]


CONVERSIONS: dict[str, Callable[[Object], None]] = {"Secret": _secret, "Pod": _pod, "Node": _node}
