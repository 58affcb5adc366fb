"""Pod specs as Go prints its internal structs, which some messages of the real API show.

``go_pod_spec.json`` lists the fields of each struct in Go's order (pkg/apis/core/types.go at Kubernetes v1.36) and
what an absent one is: ``s`` an empty text, ``i`` zero, ``b`` false, ``q`` a quantity of zero, a name the struct of that
name; ``*``, ``[]`` and ``map`` are null, with the name of the struct that they hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pocket_cluster.api.objects import Object

ZEROS: dict[str, Any] = {"s": "", "i": 0, "b": False, "q": "0", "m": {}}
# Fields of a pod's spec that the internal struct keeps in its security context.
OF_THE_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


@cache
def _structs() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("go_pod_spec.json").read_bytes())
    return found


def as_go_prints(struct: str, obj: Object) -> dict[str, Any]:
    """The object with Go's field names and order, and with everything that is absent."""
    if struct == "PodSpec":
        context = {**(obj.get("securityContext") or {}), **{key: obj[key] for key in OF_THE_HOST if key in obj}}
        obj = {**obj, "securityContext": context}
    given = {key.lower(): value for key, value in obj.items()}
    return {field: _value(kind, given.get(field.lower())) for field, kind in _structs()[struct].items()}


def _value(kind: str, value: Any) -> Any:
    of = kind.lstrip("*[]")
    if value is None:
        return as_go_prints(of, {}) if kind in _structs() else ZEROS.get(kind)
    if of not in _structs():
        return value
    if isinstance(value, list):
        return [as_go_prints(of, item) for item in value]
    return as_go_prints(of, value)
