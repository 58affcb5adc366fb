"""Deployments, ReplicaSets and the pod templates inside them (pkg/apis/apps/validation/validation.go)."""

from __future__ import annotations

import re
from typing import Any

from pocket_cluster.api.numbers import whole_number
from pocket_cluster.api.objects import Object
from pocket_cluster.api.selectors import SelectorError, from_label_selector_object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    forbidden,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import formats, pods
from pocket_cluster.apiserver.schema.validation.metadata import (
    immutable,
    not_negative,
    validate_annotations,
    validate_label_selector,
    validate_labels,
    validate_metadata,
    validate_metadata_update,
)

DEPLOYMENT_COUNTS = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
    "terminatingReplicas", "collisionCount",
)  # fmt: skip
REPLICA_SET_COUNTS = (
    "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
    "terminatingReplicas",
)  # fmt: skip


def validate_deployment(deployment: Object) -> Errors:
    errors = validate_metadata(deployment.get("metadata") or {}, True, formats.dns_subdomain)
    return errors + _deployment_spec(deployment.get("spec") or {})


def validate_deployment_update(new: Object, old: Object) -> Errors:
    return (
        validate_metadata_update(new["metadata"], old["metadata"])
        + _deployment_spec(new.get("spec") or {})
        + _immutable_selector(new, old)
    )


def validate_deployment_status_update(new: Object, old: Object) -> Errors:
    status, before = new.get("status") or {}, old.get("status") or {}
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    errors += _counts(status, DEPLOYMENT_COUNTS, ("updatedReplicas", "readyReplicas", "availableReplicas"))
    if (before.get("collisionCount") or 0) > (status.get("collisionCount") or 0):
        errors.append(invalid("status.collisionCount", status.get("collisionCount", 0), "cannot be decremented"))
    return errors


def validate_replica_set(replica_set: Object) -> Errors:
    errors = validate_metadata(replica_set.get("metadata") or {}, True, formats.dns_subdomain)
    return errors + _replica_set_spec(replica_set.get("spec") or {})


def validate_replica_set_update(new: Object, old: Object) -> Errors:
    return (
        validate_metadata_update(new["metadata"], old["metadata"])
        + _replica_set_spec(new.get("spec") or {})
        + _immutable_selector(new, old)
    )


def validate_replica_set_status_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    bounded = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    return errors + _counts(new.get("status") or {}, REPLICA_SET_COUNTS, bounded)


def _counts(status: Object, counts: tuple[str, ...], bounded: tuple[str, ...]) -> Errors:
    errors: Errors = []
    for count in counts:
        errors += not_negative(status.get(count), f"status.{count}")
    replicas = status.get("replicas") or 0
    for count in bounded:
        number = status.get(count) or 0
        if number > replicas:
            errors.append(invalid(f"status.{count}", number, "cannot be greater than status.replicas"))
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        errors.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    return errors


def _immutable_selector(new: Object, old: Object) -> Errors:
    selectors = [(each.get("spec") or {}).get("selector") for each in (new, old)]
    return immutable(selectors[0], selectors[1], "spec.selector")


def _deployment_spec(spec: Object) -> Errors:
    errors = not_negative(spec.get("replicas"), "spec.replicas")
    errors += _selector_and_template(spec)
    errors += _strategy(spec.get("strategy") or {}, "spec.strategy")
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        errors += not_negative(spec.get(field), f"spec.{field}")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def _replica_set_spec(spec: Object) -> Errors:
    errors = not_negative(spec.get("replicas"), "spec.replicas")
    errors += not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    return errors + _selector_and_template(spec)


def _selector_and_template(spec: Object) -> Errors:
    selector = spec.get("selector")
    if selector is None:
        errors = [required("spec.selector")]
    else:
        errors = validate_label_selector(selector, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            errors.append(invalid("spec.selector", selector, "empty selector is invalid for deployment"))
    template = spec.get("template") or {}
    try:
        errors += validate_template_labels(selector, template)
    except SelectorError:
        return [*errors, invalid("spec.selector", selector, "invalid label selector")]
    return errors + _replica_template(template)


def validate_template_labels(selector: Object | None, template: Object) -> Errors:
    """That the selector matches what the template makes. Raises SelectorError for one that cannot be used."""
    _must_be_usable(selector)
    labels = (template.get("metadata") or {}).get("labels")
    if from_label_selector_object(selector).matches(labels):
        return []
    return [invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")]


def _must_be_usable(selector: Object | None) -> None:
    """LabelSelectorAsSelector refuses what the validation above has named already."""
    if any(error.type != "FieldValueRequired" for error in validate_label_selector(selector, "")):
        raise SelectorError
    for expression in (selector or {}).get("matchExpressions") or []:
        if expression.get("operator") in ("In", "NotIn") and not expression.get("values"):
            raise SelectorError


def _replica_template(template: Object) -> Errors:
    path = "spec.template"
    errors = validate_pod_template(template, path)
    spec = template.get("spec") or {}
    policy = spec.get("restartPolicy", "")
    if policy != "Always":
        errors.append(not_supported(f"{path}.spec.restartPolicy", policy, ["Always"]))
    if spec.get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        errors.append(forbidden(f"{path}.spec.activeDeadlineSeconds", text))
    return errors


def validate_pod_template(template: Object, path: str) -> Errors:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    errors = validate_labels(metadata.get("labels"), f"{path}.labels")
    errors += validate_annotations(metadata.get("annotations"), f"{path}.annotations")
    errors += pods.validate_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", text))
    return errors


def _strategy(strategy: Object, path: str) -> Errors:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == "Recreate":
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{path}.rollingUpdate", text)] if rolling is not None else []
    if kind == "RollingUpdate":
        return _rolling_update(rolling or {}, f"{path}.rollingUpdate")
    shown = {"Type": kind, "RollingUpdate": rolling and _as_go_prints(rolling)}
    return [not_supported(path, shown, ["Recreate", "RollingUpdate"])]


def _as_go_prints(rolling: Object) -> Object:
    """An internal type has no JSON names: its Go names stand in the message."""
    return {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}


def _rolling_update(rolling: Object, path: str) -> Errors:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors = count_or_percent(unavailable, f"{path}.maxUnavailable")
    errors += count_or_percent(surge, f"{path}.maxSurge")
    if not _amount(unavailable) and not _amount(surge):
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    if isinstance(unavailable, str) and re.fullmatch(formats.PERCENT, unavailable) and _amount(unavailable) > 100:
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%"))
    return errors


def count_or_percent(value: Any, path: str) -> Errors:
    if isinstance(value, str):
        return invalid_all(path, value, formats.percent(value))
    return not_negative(value, path)


def _amount(value: Any) -> int:
    """The number before the percent sign, or the number; a text that is neither counts as nothing."""
    if isinstance(value, int):
        return value
    return whole_number(value.removesuffix("%").lstrip("+-")) or 0
