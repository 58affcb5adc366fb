"""ConfigMaps, Secrets and ServiceAccounts (pkg/apis/core/validation/validation.go)."""

from __future__ import annotations

import base64
import json

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import Errors, forbidden, invalid, invalid_all, required, too_long
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.metadata import immutable, validate_metadata, validate_metadata_update

MAXIMUM_BYTES = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
# The keys that a type of Secret needs, and whether one of them is enough.
NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
HOLDS_JSON = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
BASIC_AUTH_KEYS = ("username", "password")


def validate_config_map(config_map: Object) -> Errors:
    errors = validate_metadata(config_map.get("metadata") or {}, True, formats.dns_subdomain)
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    for key in data:
        errors += invalid_all(f"data[{key}]", key, formats.config_key(key))
        if key in binary:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    for key in binary:
        errors += invalid_all(f"binaryData[{key}]", key, formats.config_key(key))
    size = sum(len(value.encode()) for value in data.values()) + sum(_size(value) for value in binary.values())
    return [*errors, too_long("[]", MAXIMUM_BYTES)] if size > MAXIMUM_BYTES else errors


def validate_config_map_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    return errors + _frozen(new, old, ("data", "binaryData")) + validate_config_map(new)


def validate_secret(secret: Object) -> Errors:
    errors = validate_metadata(secret.get("metadata") or {}, True, formats.dns_subdomain)
    data = secret.get("data") or {}
    for key in data:
        errors += invalid_all(f"data[{key}]", key, formats.config_key(key))
    if sum(_size(value) for value in data.values()) > MAXIMUM_BYTES:
        errors.append(too_long("data", MAXIMUM_BYTES))
    return errors + _type_rules(secret, data)


def validate_secret_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    errors += immutable(new.get("type"), old.get("type"), "type")
    return errors + _frozen(new, old, ("data",)) + validate_secret(new)


def validate_service_account(account: Object) -> Errors:
    return validate_metadata(account.get("metadata") or {}, True, formats.dns_subdomain)


def validate_service_account_update(new: Object, old: Object) -> Errors:
    return validate_metadata_update(new["metadata"], old["metadata"]) + validate_service_account(new)


def _size(encoded: str) -> int:
    return len(encoded) * 3 // 4 - encoded.count("=")


def _frozen(new: Object, old: Object, fields: tuple[str, ...]) -> Errors:
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [forbidden("immutable", FROZEN)]
    changed = [field for field in fields if (new.get(field) or {}) != (old.get(field) or {})]
    return errors + [forbidden(field, FROZEN) for field in changed]


def _type_rules(secret: Object, data: Object) -> Errors:
    kind = secret.get("type", "")
    if kind == "kubernetes.io/service-account-token":
        annotations = (secret.get("metadata") or {}).get("annotations") or {}
        path = f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]"
        return [] if annotations.get(SERVICE_ACCOUNT_NAME) else [required(path)]
    if kind == "kubernetes.io/basic-auth":
        is_there = any(key in data for key in BASIC_AUTH_KEYS)
        return [] if is_there else [required(f"data[{key}]") for key in BASIC_AUTH_KEYS]
    errors = [required(f"data[{key}]") for key in NEEDED_KEYS.get(kind, ()) if key not in data]
    if kind in HOLDS_JSON and not errors:
        key = NEEDED_KEYS[kind][0]
        errors += _holds_json(data[key], f"data[{key}]")
    return errors


def _holds_json(encoded: str, path: str) -> Errors:
    redacted = "<secret contents redacted>"
    try:
        json.loads(base64.b64decode(encoded))
    except ValueError as error:
        at = getattr(error, "pos", 0)
        text = base64.b64decode(encoded).decode(errors="replace")
        if at >= len(text):
            return [invalid(path, redacted, "unexpected end of JSON input")]
        return [invalid(path, redacted, f"invalid character '{text[at]}' looking for beginning of value")]
    return []
