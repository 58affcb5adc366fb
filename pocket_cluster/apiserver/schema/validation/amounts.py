"""Requests and limits: names of resources and their amounts (validateResourceRequirements)."""

from __future__ import annotations

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import Errors, forbidden, invalid, invalid_all, required
from pocket_cluster.apiserver.schema.validation import formats

FOR_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
STANDARD = (*FOR_CONTAINERS, "storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage", "limits.cpu",
            "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services",
            "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims", "requests.storage",
            "services.nodeports", "services.loadbalancers")  # fmt: skip
HUGE_PAGES = "hugepages-"


def validate_resources(requirements: Object, path: str) -> Errors:
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    errors: Errors = []
    for name, amount in limits.items():
        errors += _amount(name, amount, f"{path}.limits[{name}]")
    for name, amount in requests.items():
        errors += _amount(name, amount, f"{path}.requests[{name}]")
        errors += _against_limit(name, amount, limits, path)
    named = {*limits, *requests}
    if any(name.startswith(HUGE_PAGES) for name in named) and not named & {"cpu", "memory"}:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    return errors


def _amount(name: str, amount: str, path: str) -> Errors:
    errors = _name(name, path)
    if quantity.parse(amount) < 0:
        errors.append(invalid(path, amount, formats.NOT_NEGATIVE))
    if "/" in name and quantity.parse(amount).denominator != 1:
        errors.append(invalid(path, amount, "must be an integer"))
    return errors


def _name(name: str, path: str) -> Errors:
    errors = invalid_all(path, name, formats.label_key(name))
    if "/" in name:
        is_extended = "kubernetes.io/" in name or not formats.label_key(f"requests.{name}")
        if not is_extended:
            errors.append(invalid(path, name, "doesn't follow extended resource name standard"))
        return errors
    if name.startswith(HUGE_PAGES):
        return errors
    if not errors and name not in STANDARD:
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    if name not in FOR_CONTAINERS:
        errors.append(invalid(path, name, "must be a standard resource for containers"))
    return errors


def _against_limit(name: str, amount: str, limits: Object, path: str) -> Errors:
    may_overcommit = "/" not in name and not name.startswith(HUGE_PAGES)
    if name not in limits:
        text = "Limit must be set for non overcommitable resources"
        return [] if may_overcommit else [required(f"{path}.limits", text)]
    difference = quantity.parse(amount) - quantity.parse(limits[name])
    if difference and not may_overcommit:
        return [invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limits[name]}")]
    if difference > 0:
        return [invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limits[name]}")]
    return []
