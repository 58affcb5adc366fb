"""Where a pod may run: node selectors, affinity, tolerations, spread (pkg/apis/core/validation/validation.go)."""

from __future__ import annotations

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.cluster import taint_effect
from pocket_cluster.apiserver.schema.validation.metadata import validate_label_selector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
WEIGHT = "must be in the range 1-100"
WHEN_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")


def validate_affinity(affinity: Object, path: str) -> Errors:
    errors = _node_affinity(affinity.get("nodeAffinity") or {}, f"{path}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        errors += _pod_affinity(affinity.get(kind) or {}, f"{path}.{kind}")
    return errors


def _node_affinity(affinity: Object, path: str) -> Errors:
    errors: Errors = []
    if affinity.get(REQUIRED) is not None:
        terms, place = affinity[REQUIRED].get("nodeSelectorTerms") or [], f"{path}.{REQUIRED}.nodeSelectorTerms"
        if not terms:
            errors.append(required(place, "must have at least one node selector term"))
        for index, term in enumerate(terms):
            errors += _node_term(term, True, f"{place}[{index}]")
    for index, preferred in enumerate(affinity.get(PREFERRED) or []):
        place = f"{path}.{PREFERRED}[{index}]"
        errors += _weight(preferred, place)
        errors += _node_term(preferred.get("preference") or {}, False, f"{place}.preference")
    return errors


def _weight(weighted: Object, path: str) -> Errors:
    weight = weighted.get("weight", 0)
    return [] if 0 < weight <= 100 else [invalid(f"{path}.weight", weight, WEIGHT)]


def _node_term(term: Object, checks_values: bool, path: str) -> Errors:
    errors: Errors = []
    for index, requirement in enumerate(term.get("matchExpressions") or []):
        errors += _node_requirement(requirement, checks_values, f"{path}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.get("matchFields") or []):
        place, operator = f"{path}.matchFields[{index}]", requirement.get("operator", "")
        if operator not in ("In", "NotIn"):
            errors.append(invalid(f"{place}.operator", operator, "not a valid selector operator"))
        elif len(requirement.get("values") or []) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.append(required(f"{place}.values", text))
        if requirement.get("key") != "metadata.name":
            errors.append(invalid(f"{place}.key", requirement.get("key", ""), "not a valid field selector key"))
    return errors


def _node_requirement(requirement: Object, checks_values: bool, path: str) -> Errors:
    operator, values, key = (requirement.get(each) or "" for each in ("operator", "values", "key"))
    errors: Errors = []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", text))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{path}.values", text))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    errors += invalid_all(f"{path}.key", key, formats.label_key(key))
    for index, value in enumerate(values if checks_values else ()):
        errors += invalid_all(f"{path}.values[{index}]", value, formats.label_value(value))
    return errors


def _pod_affinity(affinity: Object, path: str) -> Errors:
    errors: Errors = []
    for index, term in enumerate(affinity.get(REQUIRED) or []):
        errors += _pod_term(term, f"{path}.{REQUIRED}[{index}]")
    for index, weighted in enumerate(affinity.get(PREFERRED) or []):
        place = f"{path}.{PREFERRED}[{index}]"
        errors += _weight(weighted, place)
        errors += _pod_term(weighted.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm")
    return errors


def _pod_term(term: Object, path: str) -> Errors:
    errors = validate_label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    errors += validate_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or []:
        errors += invalid_all(f"{path}.namespace", name, formats.dns_label(name))
    key = term.get("topologyKey", "")
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    return errors + invalid_all(f"{path}.topologyKey", key, formats.label_key(key))


def validate_tolerations(tolerations: list[Object], path: str) -> Errors:
    errors: Errors = []
    for index, toleration in enumerate(tolerations):
        errors += _toleration(toleration, f"{path}[{index}]")
    return errors


def _toleration(toleration: Object, path: str) -> Errors:
    key, operator, value, effect = (toleration.get(each, "") for each in ("key", "operator", "value", "effect"))
    errors = invalid_all(f"{path}.key", key, formats.label_key(key)) if key else []
    if not key and operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", operator, text))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, text))
    errors += _toleration_operator(operator, value, path)
    return errors + taint_effect(effect, True, f"{path}.effect")


def _toleration_operator(operator: str, value: str, path: str) -> Errors:
    place = f"{path}.operator"
    if operator in ("Equal", ""):
        broken = formats.label_value(value)
        return [invalid(place, value, ";".join(broken))] if broken else []
    if operator == "Exists":
        return [invalid(place, value, "value must be empty when `operator` is 'Exists'")] if value else []
    if operator in ("Lt", "Gt"):
        return [not_supported(place, operator, ("Equal", "Exists", "Lt", "Gt"))]
    return [not_supported(place, operator, ("Equal", "Exists"))]


def only_added_tolerations(new: list[Object], old: list[Object], path: str) -> Errors:
    """An existing toleration may change its seconds only."""

    def without_seconds(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [without_seconds(each) for each in new]
    if any(without_seconds(each) not in kept for each in old):
        return [forbidden(path, "existing toleration can not be modified except its tolerationSeconds")]
    return validate_tolerations(new, path)


def validate_spread(constraints: list[Object], path: str) -> Errors:
    errors: Errors = []
    kinds = [(each.get("topologyKey", ""), each.get("whenUnsatisfiable", "")) for each in constraints]
    for index, constraint in enumerate(constraints):
        place, (key, action) = f"{path}[{index}]", kinds[index]
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            errors.append(invalid(f"{place}.maxSkew", skew, "must be greater than zero"))
        if not key:
            errors.append(required(f"{place}.topologyKey", "can not be empty"))
        if action not in WHEN_UNSATISFIABLE:
            errors.append(not_supported(f"{place}.whenUnsatisfiable", action, WHEN_UNSATISFIABLE))
        if kinds[index] in kinds[index + 1 :]:
            shown = f"{{{key}, {action}}}"
            errors.append(duplicate(f"{place}.{{topologyKey, whenUnsatisfiable}}", shown))
        errors += validate_label_selector(constraint.get("labelSelector"), f"{place}.labelSelector")
    return errors
