"""Request bodies that kubectl sends as protobuf: decoded by the published field numbers into plain objects.

A body is ``k8s\\0`` and a ``runtime.Unknown`` message around the object (apimachinery,
pkg/runtime/serializer/protobuf).
Answers are JSON, which every client accepts.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pocket_cluster.api.objects import Object, micro_time_text, time_text
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.schema.body import unrecognized

PREFIX = b"k8s\0"
FIELDS = Path(__file__).with_name("protobuf_fields.json")
PACKAGE = "pocket"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = {
    "runtime.TypeMeta": {"apiVersion": "1 string", "kind": "2 string"},
    "runtime.Unknown": {"typeMeta": "1 runtime.TypeMeta", "raw": "2 bytes"},
}
GROUPS = {
    "": "core.v1",
    "apps": "apps.v1",
    "batch": "batch.v1",
    "discovery.k8s.io": "discovery.v1",
    "coordination.k8s.io": "coordination.v1",
    "autoscaling": "autoscaling.v1",
    "policy": "policy.v1",
    "authorization.k8s.io": "authorization.v1",
    "authentication.k8s.io": "authentication.v1",
}
DELETE_OPTIONS = "apis.meta.v1.DeleteOptions"


def decode(raw: bytes, wanted: str) -> Object:
    """The object in a body, where that kind is wanted; BadRequest when it is not one that is served."""
    from google.protobuf.message import DecodeError

    if not raw.startswith(PREFIX):
        raise unrecognized(
            wanted, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]", raw
        )
    try:
        unknown = _message("runtime.Unknown").FromString(raw[len(PREFIX) :])
        kind = {"apiVersion": unknown.typeMeta.apiVersion, "kind": unknown.typeMeta.kind}
        return {**_plain(_message(_name(kind)).FromString(unknown.raw)), **kind}
    except (DecodeError, KeyError, OverflowError, ValueError, RecursionError) as error:
        raise errors.bad_request(f"the protobuf body could not be decoded: {error}") from None


def _name(kind: Object) -> str:
    group = kind["apiVersion"].rpartition("/")[0]
    if kind["kind"] == "DeleteOptions":
        return DELETE_OPTIONS
    return f"{GROUPS[group]}.{kind['kind']}"


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="kubernetes", package=PACKAGE, syntax="proto2")
    messages: dict[str, dict[str, str]] = json.loads(FIELDS.read_text())["messages"] | UNKNOWN
    for name, fields in messages.items():
        message = file.message_type.add(name=_flat(name))
        for field, description in fields.items():
            _add_field(message, field, description)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _add_field(message: Any, field: str, description: str) -> None:
    """``"3 repeated core.v1.Container"``, ``"1 string"`` or ``"2 map string"``."""
    number, *label, kind = description.split(" ")
    added = message.field.add(name=field, number=int(number), json_name=field)
    added.label = added.LABEL_REPEATED if label else added.LABEL_OPTIONAL
    if label == ["map"]:
        entry = message.nested_type.add(name=f"{field}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", "1 string")
        _add_field(entry, "value", f"2 {kind}")
        added.type, added.type_name = added.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{entry.name}"
    elif "." in kind:
        added.type, added.type_name = added.TYPE_MESSAGE, f".{PACKAGE}.{_flat(kind)}"
    else:
        added.type = getattr(added, f"TYPE_{kind.upper()}")


@cache
def _message(name: str) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{_flat(name)}"))


def _plain(message: Any) -> Any:
    """The message as JSON has it."""
    special = SPECIAL.get(message.DESCRIPTOR.name)
    if special:
        return special(message)
    plain: Object = {}
    for field, value in message.ListFields():
        if _is_zero_time(value):
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            plain[field.name] = {key: _value(of, value[key]) for key in value}
        elif field.is_repeated:
            plain[field.name] = [_value(field, item) for item in value]
        else:
            plain[field.name] = _value(field, value)
    return _flattened(message.DESCRIPTOR.name, plain)


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, bytes):
        if field.type == field.TYPE_STRING:  # what is no text the library leaves as it is
            raise ValueError(f"{field.name} is no UTF-8")
        return base64.b64encode(value).decode()
    return _plain(value) if hasattr(value, "DESCRIPTOR") else value


# Go embeds these structs: in JSON their fields stand in the outer object, in protobuf they are a message of their own.
EMBEDDED = {
    "core_v1_Volume": "volumeSource",
    "core_v1_Probe": "handler",
    "core_v1_EphemeralContainer": "ephemeralContainerCommon",
    "core_v1_ConfigMapEnvSource": "localObjectReference",
    "core_v1_ConfigMapKeySelector": "localObjectReference",
    "core_v1_ConfigMapProjection": "localObjectReference",
    "core_v1_ConfigMapVolumeSource": "localObjectReference",
    "core_v1_SecretEnvSource": "localObjectReference",
    "core_v1_SecretKeySelector": "localObjectReference",
    "core_v1_SecretProjection": "localObjectReference",
    "core_v1_PersistentVolumeSpec": "persistentVolumeSource",
}


def _flattened(name: str, plain: Object) -> Object:
    embedded = plain.pop(EMBEDDED.get(name, ""), None)
    return {**plain, **embedded} if embedded else plain


def _is_zero_time(value: Any) -> bool:
    """Go writes a time that is not set as an empty message."""
    name = value.DESCRIPTOR.name if hasattr(value, "DESCRIPTOR") else ""
    return name in ("apis_meta_v1_Time", "apis_meta_v1_MicroTime") and not value.ListFields()


def _time(message: Any) -> str:
    return time_text(EPOCH + timedelta(seconds=message.seconds))


def _micro_time(message: Any) -> str:
    moment = EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    return micro_time_text(moment)


def _int_or_string(message: Any) -> int | str:
    found: int | str = message.strVal if message.type == 1 else message.intVal
    return found


SPECIAL: dict[str, Any] = {
    "apis_meta_v1_Time": _time,
    "apis_meta_v1_MicroTime": _micro_time,
    "api_resource_Quantity": lambda message: message.string,
    "util_intstr_IntOrString": _int_or_string,
    "apis_meta_v1_FieldsV1": lambda message: json.loads(message.Raw or b"{}"),
}
