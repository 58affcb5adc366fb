"""Namespaces, Nodes, Events and Leases (pkg/apis/core/validation and pkg/apis/coordination/validation)."""

from __future__ import annotations

from typing import Any

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    FieldError,
    duplicate,
    forbidden,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.metadata import (
    standard_finalizer,
    validate_metadata,
    validate_metadata_update,
)

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
EVENT_TEXT_LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024))
LEASE_STRATEGIES = ("OldestEmulationVersion",)


def validate_namespace(namespace: Object) -> Errors:
    errors = validate_metadata(namespace.get("metadata") or {}, False, formats.dns_label)
    for finalizer in (namespace.get("spec") or {}).get("finalizers") or []:
        errors += invalid_all("spec.finalizers", finalizer, formats.label_key(finalizer))
        errors += standard_finalizer(finalizer, "spec.finalizers")
    return errors


def validate_finalizing(namespace: Object) -> Errors:
    """What a request to a namespace's ``finalize`` may not ask for (ValidateNamespaceFinalizeUpdate)."""
    errors: Errors = []
    for index, finalizer in enumerate((namespace.get("spec") or {}).get("finalizers") or []):
        path = f"spec.finalizers[{index}]"
        errors += invalid_all(path, finalizer, formats.label_key(finalizer)) + standard_finalizer(finalizer, path)
    return errors


def validate_namespace_update(new: Object, old: Object) -> Errors:
    return validate_namespace(new) + validate_metadata_update(new["metadata"], old["metadata"])


def validate_namespace_status_update(new: Object, old: Object) -> Errors:
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    phase = (new.get("status") or {}).get("phase", "")
    if new["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            errors.append(invalid("status.Phase", phase, text))
    elif phase != "Active":
        errors.append(invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty"))
    return errors


def validate_node(node: Object) -> Errors:
    spec = node.get("spec") or {}
    errors = validate_metadata(node.get("metadata") or {}, False, formats.dns_subdomain)
    errors += validate_taints(spec.get("taints") or [], "metadata.taints") + _amounts(node)
    for index, block in enumerate(spec.get("podCIDRs") or []):
        errors += invalid_all(f"spec.podCIDRs[{index}]", block, formats.cidr(block))
    return errors


def validate_node_update(new: Object, old: Object) -> Errors:
    spec, before, status = new.get("spec") or {}, old.get("spec") or {}, new.get("status") or {}
    errors = validate_node(new) + validate_metadata_update(new["metadata"], old["metadata"]) + _amounts(new)
    seen: list[Any] = []
    for index, address in enumerate(status.get("addresses") or []):
        if address in seen:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            errors.append(duplicate(f"status.addresses[{index}]", shown))
        seen.append(address)
    for field, name in (("podCIDRs", "podCIDR"), ("providerID", "providerID")):
        if before.get(field) and before[field] != spec.get(field):
            text = f'node updates may not change {name} except from "" to valid'
            errors.append(forbidden(f"spec.{field}", text))
    return errors + validate_taints(spec.get("taints") or [], "metadata.taints")


def _amounts(node: Object) -> Errors:
    errors: Errors = []
    for field in ("capacity", "allocatable"):
        for name, amount in ((node.get("status") or {}).get(field) or {}).items():
            if quantity.parse(amount) < 0:
                errors.append(invalid(f"status.{field}.{name}", amount, formats.NOT_NEGATIVE))
    return errors


def taint_effect(effect: str, may_be_empty: bool, path: str) -> Errors:
    if not effect and not may_be_empty:
        return [required(path)]
    return [] if not effect or effect in TAINT_EFFECTS else [not_supported(path, effect, TAINT_EFFECTS)]


def validate_taints(taints: list[Object], path: str) -> Errors:
    errors: Errors = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        place, key, value, effect = f"{path}[{index}]", *(taint.get(each, "") for each in ("key", "value", "effect"))
        errors += invalid_all(f"{place}.key", key, formats.label_key(key))
        broken = formats.label_value(value)
        if broken:
            errors.append(invalid(f"{place}.value", value, ";".join(broken)))
        errors += taint_effect(effect, False, f"{place}.effect")
        if (key, effect) in seen:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            text = "taints must be unique by key and effect pair"
            errors.append(FieldError("FieldValueDuplicate", place, text, shown))
        seen.add((key, effect))
    return errors


def validate_event(event: Object) -> Errors:
    """Events of the core group are judged leniently, for what old clients send (legacyValidateEvent)."""
    namespace = (event.get("metadata") or {}).get("namespace", "")
    involved = (event.get("involvedObject") or {}).get("namespace", "")
    mismatch = [invalid("involvedObject.namespace", involved, "does not match event.namespace")]
    errors: Errors = []
    if not event.get("eventTime"):
        is_fine = namespace == involved if involved else namespace in ("", "default")
        errors += [] if is_fine else mismatch
    else:
        is_fine = bool(involved) or namespace in ("default", "kube-system")
        errors += [] if is_fine else mismatch
        errors += _new_event(event)
    errors += invalid_all("namespace", namespace, formats.dns_subdomain(namespace))
    return errors or validate_metadata(event.get("metadata") or {}, True, formats.path_segment)


def _new_event(event: Object) -> Errors:
    component = event.get("reportingComponent", "")
    errors = [] if component else [required("reportingComponent")]
    errors += invalid_all("reportingComponent", component, formats.label_key(component))
    for field, limit in EVENT_TEXT_LIMITS:
        text = event.get(field, "")
        if not text and field != "message":
            errors.append(required(field))
        if len(text.encode()) > limit:
            errors.append(invalid(field, "", f"can have at most {limit} characters"))
    return errors


def validate_event_update(new: Object, old: Object) -> Errors:
    return validate_event(new)


def validate_lease(lease: Object) -> Errors:
    errors = validate_metadata(lease.get("metadata") or {}, True, formats.dns_subdomain)
    return errors + _lease_spec(lease.get("spec") or {})


def validate_lease_update(new: Object, old: Object) -> Errors:
    return validate_metadata_update(new["metadata"], old["metadata"]) + _lease_spec(new.get("spec") or {})


def _lease_spec(spec: Object) -> Errors:
    errors: Errors = []
    duration, transitions, strategy = (
        spec.get(each) for each in ("leaseDurationSeconds", "leaseTransitions", "strategy")
    )
    if duration is not None and duration <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, formats.NOT_NEGATIVE))
    if strategy is not None and "/" not in strategy and strategy not in LEASE_STRATEGIES:
        errors.append(not_supported("spec.strategy", strategy, LEASE_STRATEGIES))
    if spec.get("preferredHolder") and not strategy:
        errors.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
    return errors
