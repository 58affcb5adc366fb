"""Names, labels, annotations, owners and selectors: what every kind has in common.

Sources: apimachinery, pkg/api/validation/objectmeta.go and pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    FieldError,
    forbidden,
    go_string,
    invalid,
    invalid_all,
    required,
    too_long,
)
from pocket_cluster.apiserver.schema.validation import formats

ANNOTATIONS_BYTES = 256 * 1024
IMMUTABLE = "field is immutable"
SYSTEM_FIELDS = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip


def not_negative(value: int | None, path: str) -> Errors:
    return [invalid(path, value, formats.NOT_NEGATIVE)] if value is not None and value < 0 else []


def immutable(new: Any, old: Any, path: str) -> Errors:
    """``None`` and what is empty are the same, as Go's semantic equality has it."""
    return [] if (new or None) == (old or None) else [invalid(path, new, IMMUTABLE)]


def validate_metadata(
    metadata: Object, is_namespaced: bool, name_check: Callable[[str], list[str]], path: str = "metadata"
) -> Errors:
    """The metadata of an object that is being created."""
    name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
    if name:
        errors = invalid_all(f"{path}.name", name, name_check(name))
    else:
        errors = [required(f"{path}.name", "name or generateName is required")]
    if is_namespaced and not namespace:
        errors.append(required(f"{path}.namespace"))
    elif is_namespaced:
        errors += invalid_all(f"{path}.namespace", namespace, formats.dns_label(namespace))
    elif namespace:
        errors.append(forbidden(f"{path}.namespace", "not allowed on this type"))
    errors += not_negative(metadata.get("generation"), f"{path}.generation")
    return errors + _validate_common(metadata, path) + validate_finalizers(metadata, path)


def _validate_common(metadata: Object, path: str) -> Errors:
    return (
        validate_labels(metadata.get("labels"), f"{path}.labels")
        + validate_annotations(metadata.get("annotations"), f"{path}.annotations")
        + validate_owner_references(metadata.get("ownerReferences"), f"{path}.ownerReferences")
    )


def validate_metadata_update(new: Object, old: Object, path: str = "metadata") -> Errors:
    """The metadata of an object that is being changed: most of what the system wrote must stay."""
    errors: Errors = []
    if old.get("deletionTimestamp"):
        errors += _no_new_finalizers(new, old, path)
    if not new.get("resourceVersion"):
        errors.append(invalid(f"{path}.resourceVersion", "", "must be specified for an update"))
    if int(new.get("generation") or 0) < int(old.get("generation") or 0):
        errors.append(invalid(f"{path}.generation", new.get("generation", 0), "must not be decremented"))
    for field in SYSTEM_FIELDS:
        errors += immutable(new.get(field), old.get(field), f"{path}.{field}")
    return errors + _validate_common(new, path)


def _no_new_finalizers(new: Object, old: Object, path: str) -> Errors:
    extra = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
    if not extra:
        return []
    listed = "[]string{" + ", ".join(go_string(each) for each in extra) + "}"
    text = "no new finalizers can be added if the object is being deleted, found new finalizers " + listed
    return [forbidden(f"{path}.finalizers", text)]


def validate_finalizers(metadata: Object, path: str) -> Errors:
    finalizers = metadata.get("finalizers") or []
    errors: Errors = []
    for index, finalizer in enumerate(finalizers):
        errors += invalid_all(f"{path}.finalizers", finalizer, formats.label_key(finalizer))
        errors += standard_finalizer(finalizer, f"{path}.finalizers[{index}]")
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.insert(0, invalid(f"{path}.finalizers", finalizers, text))
    return errors


def standard_finalizer(finalizer: str, path: str) -> Errors:
    """A finalizer without a domain must be one of Kubernetes' own (pkg/apis/core/validation, names of finalizers)."""
    if "/" in finalizer or finalizer in ("kubernetes", "orphan", "foregroundDeletion"):
        return []
    return [invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")]


def validate_labels(labels: Mapping[str, str] | None, path: str) -> Errors:
    errors: Errors = []
    for key, value in (labels or {}).items():
        errors += invalid_all(path, key, formats.label_key(key))
        errors += invalid_all(path, value, formats.label_value(value))
    return errors


def validate_annotations(annotations: Mapping[str, str] | None, path: str) -> Errors:
    errors: Errors = []
    for key in annotations or {}:
        errors += invalid_all(path, key, formats.label_key(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (annotations or {}).items())
    return [*errors, too_long(path, ANNOTATIONS_BYTES)] if size > ANNOTATIONS_BYTES else errors


def validate_owner_references(references: list[Object] | None, path: str) -> Errors:
    errors: Errors = []
    controller = ""
    for reference in references or []:
        errors += _validate_owner_reference(reference, path)
        if reference.get("controller"):
            this = f"{reference.get('kind', '')}/{reference.get('name', '')}"
            if controller:
                text = 'Only one reference can have Controller set to true. Found "true" in references for '
                errors.append(invalid(path, references, f"{text}{controller} and {this}"))
            controller = controller or this
    return errors


def _validate_owner_reference(reference: Object, path: str) -> Errors:
    errors: Errors = []
    for field, text in (
        ("apiVersion", "version must not be empty"),
        ("kind", "must not be empty"),
        ("name", "must not be empty"),
        ("uid", "must not be empty"),
    ):
        if not reference.get(field):
            errors.append(invalid(f"{path}.{field}", "", text))
    if (reference.get("apiVersion"), reference.get("kind")) == ("v1", "Event"):
        errors.append(invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner"))
    return errors


def validate_label_selector(selector: Object | None, path: str) -> Errors:
    errors = validate_labels((selector or {}).get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate((selector or {}).get("matchExpressions") or []):
        errors += _validate_requirement(expression, f"{path}.matchExpressions[{index}]")
    return errors


def _validate_requirement(expression: Object, path: str) -> Errors:
    operator, values = expression.get("operator", ""), expression.get("values") or []
    errors: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", text))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    key = expression.get("key", "")
    errors += invalid_all(f"{path}.key", key, formats.label_key(key))
    for index, value in enumerate(values):
        errors += invalid_all(f"{path}.values[{index}]", value, formats.label_value(value))
    return errors
