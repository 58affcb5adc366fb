"""What a request asks for: which objects, and the parameters of its query.

Paths are read as apiserver, endpoints/request/requestinfo.go reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_PATH, Kind

ROOTS = ("/api/", *sorted({f"/apis/{kind.resource.group}/" for kind in BY_PATH.values()}))


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a collection, an object or a subresource. ``rest`` is a subresource's own path."""

    kind: Kind
    namespace: str | None
    name: str | None
    subresource: str | None
    rest: str = ""


@dataclass(slots=True)
class Body:
    """A request's body as plain values; ``raw`` is its text."""

    data: Any
    content_type: str
    raw: bytes = b""


def parse_path(path: str) -> Target:
    """The target of ``/api/v1/namespaces/default/pods/web/log``; NotFound for what is not served."""
    found = re.fullmatch(r"(/api/v1|/apis/[^/]+/[^/]+)/(.+)", path.rstrip("/"))
    if not path.startswith(ROOTS):
        raise errors.nothing_there()
    if not found:
        raise errors.path_not_found()
    root, parts = found[1], found[2].split("/")
    namespace = None
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    kind = BY_PATH.get((root, parts[0]))
    if kind is None or (namespace and not kind.resource.namespaced):
        raise errors.path_not_found()
    name = parts[1] if len(parts) > 1 else None
    if name in (".", ".."):
        raise errors.bad_request(f"Name parameter invalid: \"{name}\": may not be '{name}'")
    subresource = parts[2] if len(parts) > 2 else None
    if subresource and subresource not in kind.subresources:
        raise errors.path_not_found()
    if name and kind.resource.namespaced and not namespace:
        raise errors.path_not_found()
    return Target(kind, namespace, name, subresource, "/".join(parts[3:]))


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query: whatever is there and neither false nor 0 (apimachinery, pkg/runtime/conversion.go)."""
    return name in query and query[name].lower() not in ("false", "0")


def number(query: Mapping[str, str], name: str) -> int:
    """A whole number of the query, 0 when absent; BadRequest for anything else."""
    value = query.get(name, "0")
    if not re.fullmatch(r"[+-]?[0-9]+", value, re.ASCII):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    if len(value) > 20 or not -(2**63) <= int(value) < 2**63:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": value out of range')
    return int(value)


def unsigned(text: str) -> int:
    """A resource version's number; ValueError in Go's words for anything else."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text) > 20 or int(text) >= 2**64:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)
