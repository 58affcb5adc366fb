"""Whether two clusters answered alike: what no two runs have in common is masked, all else is compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Object = dict[str, Any]
MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"20[2-9]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+]0000 UTC|Z)( m=\+[\d.]+)?"), "TIME"),
    (re.compile(r"(resourceVersion\W+|object meta: |in precondition: |resource version: |current: )\d+"), r"\1RV"),
    (re.compile(r"\b10\.(96|97|98|99|1[01]\d)\.\d+\.\d+\b"), "CLUSTER-IP"),
    (re.compile(r"\bkube-api-access-\w{5}\b"), "TOKEN"),
    (re.compile(r"(in record \()\d+"), r"\1RV"),
    # What would change in a pod: a real one has a token's volume, which moves every line.
    (re.compile(r"\n@@ -.*", re.DOTALL), " DIFF"),
)
# The server's own, different in each run.
RUNNING = (
    "uid",
    "creationTimestamp",
    "resourceVersion",
    "time",
    "deletionTimestamp",
    "continue",
    "lastTransitionTime",
    "lastUpdateTime",
)
NODE_PORTS = range(30000, 32868)  # a dry run of a real cluster gives out those above its range
AGE = re.compile(r"\d+s|<invalid>")
# What only a real cluster adds: its controllers' shares of managedFields, and the tokens of pods.
CONTROLLERS = ("kube-controller-manager", "kubelet", "kube-scheduler")
# A controller's taints, which come and go when they do.
CONTROLLED_TAINTS = ("node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready")
LISTS = ("volumes", "volumeMounts", "ownerReferences", "taints")
SHOWN_OBJECT = re.compile(r'Invalid value: (?=["{])')


class Difference(NamedTuple):
    """A place in the answers to one request, as a JSON pointer, and what each cluster has there."""

    place: str
    real: Any
    pocket: Any


@dataclass(frozen=True, slots=True)
class Allowed:
    """One line of the table of differences that are meant: regular expressions that must match whole."""

    why: str
    request: str
    place: str
    real: str
    pocket: str

    def covers(self, request: str, difference: Difference) -> bool:
        seen = (request, difference.place, as_text(difference.real), as_text(difference.pocket))
        return all(
            re.fullmatch(wanted, text, re.DOTALL)
            for wanted, text in zip((self.request, self.place, self.real, self.pocket), seen, strict=True)
        )


ABSENT = object()


def as_text(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, ensure_ascii=False)


@cache
def allowed() -> list[Allowed]:
    """The differences that are meant."""
    rows = yaml.safe_load(Path(__file__).with_name("allowed.yaml").read_text()) or []
    return [Allowed(**row) for row in rows]


def is_allowed(method: str, path: str, difference: Difference) -> bool:
    return any(row.covers(f"{method} {path}", difference) for row in allowed())


def differences(real: Any, pocket: Any, place: str = "") -> Iterator[Difference]:
    """Where two masked values differ."""
    if isinstance(real, dict) and isinstance(pocket, dict):
        for key in sorted({*real, *pocket}):
            yield from differences(real.get(key, ABSENT), pocket.get(key, ABSENT), f"{place}/{key}")
    elif isinstance(real, list) and isinstance(pocket, list) and len(real) == len(pocket):
        for index, (one, other) in enumerate(zip(real, pocket, strict=True)):
            yield from differences(one, other, f"{place}/{index}")
    elif type(real) is not type(pocket) or real != pocket:
        yield Difference(place, real, pocket)


def masked(value: Any) -> Any:
    """The value without what no two runs have in common."""
    if isinstance(value, dict):
        found = {key: _masked_field(key, item) for key, item in value.items()}
        return {key: item for key, item in found.items() if key not in LISTS or item}
    if isinstance(value, list):
        return [masked(item) for item in value if not (isinstance(item, dict) and _is_foreign(item))]
    return _masked_text(value) if isinstance(value, str) else value


def _masked_field(key: str, value: Any) -> Any:
    if key in RUNNING and value and isinstance(value, str):
        return key.upper()
    if key in ("nodePort", "healthCheckNodePort") and value in NODE_PORTS:
        return "NODE-PORT"
    if key == "cells":
        return ["AGE" if isinstance(cell, str) and AGE.fullmatch(cell) else masked(cell) for cell in value]
    return masked(value)


def _is_foreign(item: Object) -> bool:
    name = item.get("name", "")
    is_token = isinstance(name, str) and name.startswith(("kube-api-access-", "TOKEN"))
    is_adopted = item.get("kind") == "Deployment" and item.get("controller") is True
    return is_token or is_adopted or item.get("manager") in CONTROLLERS or item.get("key") in CONTROLLED_TAINTS


def _masked_text(text: str) -> str:
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    first, *rest = SHOWN_OBJECT.split(text)
    return "Invalid value: ".join([first, *map(_in_one_order, rest)])


def _in_one_order(text: str) -> str:
    """The object that a text begins with, its keys in alphabetical order: Go has them in the order of its structs."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        if isinstance(value, str):
            value = json.loads(value)
    except ValueError:
        return text
    return json.dumps(masked(value), sort_keys=True) + text[end:] if isinstance(value, dict) else text
