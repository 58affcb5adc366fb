"""Jobs (pkg/apis/batch/validation/validation.go).

What the controller here does not do, back-off limits of single indexes and success policies, is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pocket_cluster.api.objects import Object
from pocket_cluster.api.selectors import SelectorError
from pocket_cluster.apiserver.schema.field_errors import (
    NO_VALUE,
    Errors,
    duplicate,
    forbidden,
    go_string,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.job_labels import CONTROLLER_UID, generated_labels
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.go_structs import as_go_prints
from pocket_cluster.apiserver.schema.validation.metadata import (
    immutable,
    not_negative,
    validate_label_selector,
    validate_metadata,
    validate_metadata_update,
)
from pocket_cluster.apiserver.schema.validation.workloads import validate_pod_template, validate_template_labels

COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
STATUS_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
MOST_PARALLEL = 100_000
NOT_SERVED = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def validate_job(job: Object) -> Errors:
    metadata, spec = job.get("metadata") or {}, job.get("spec") or {}
    errors = validate_metadata(metadata, True, formats.dns_subdomain)
    return errors + _generated_selector(metadata, spec) + _spec(spec) + _host_name(metadata, spec)


def validate_job_update(new: Object, old: Object) -> Errors:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    # A real API server judges the new object as a whole first, and its spec once more.
    errors = validate_job(new) + validate_metadata_update(new["metadata"], old["metadata"])
    errors += _spec(spec) + _completions(spec, before)
    errors += immutable(_in_order(spec.get("selector")), _in_order(before.get("selector")), "spec.selector")
    errors += _same_template(spec, before, old.get("status") or {})
    errors += immutable(spec.get("completionMode"), before.get("completionMode"), "spec.completionMode")
    if spec.get("podFailurePolicy") != before.get("podFailurePolicy"):
        policy = spec.get("podFailurePolicy")
        shown = None if policy is None else as_go_prints("PodFailurePolicy", policy)
        errors.append(invalid("spec.podFailurePolicy", shown, "field is immutable"))
    return errors + immutable(spec.get("managedBy"), before.get("managedBy"), "spec.managedBy")


def validate_job_status_update(new: Object, old: Object) -> Errors:
    status = new.get("status") or {}
    errors = validate_metadata_update(new["metadata"], old["metadata"])
    for count in STATUS_COUNTS:
        errors += not_negative(status.get(count), f"status.{count}")
    return errors


def _generated_selector(metadata: Object, spec: Object) -> Errors:
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    errors: Errors = []
    uid = metadata.get("uid", "")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    for key, value in generated_labels(metadata).items():
        if labels.get(key) != value:
            errors.append(invalid(f"spec.template.metadata.labels[{key}]", labels, f"must be '{value}'"))
    if spec["selector"] != {"matchLabels": {CONTROLLER_UID: uid}}:
        errors.append(invalid("spec.selector", _in_order(spec["selector"]), "`selector` not auto-generated"))
    return errors


def _in_order(selector: Object | None) -> Object | None:
    """As Go writes it: the keys of a map are sorted."""
    found = (selector or {}).get("matchLabels")
    return {**(selector or {}), "matchLabels": dict(sorted(found.items()))} if found else selector


def _spec(spec: Object) -> Errors:
    errors: Errors = []
    for field in COUNTS:
        errors += not_negative(spec.get(field), f"spec.{field}")
    for field in NOT_SERVED:
        if spec.get(field) is not None:
            errors.append(forbidden(f"spec.{field}", "not served by this cluster"))
    errors += _managed_by(spec.get("managedBy"))
    errors += _completion_mode(spec)
    policy = spec.get("podFailurePolicy")
    if policy is not None:
        errors += _pod_failure_policy(policy, spec)
    replacing, supported = spec.get("podReplacementPolicy"), ("Failed", "TerminatingOrFailed")[: 1 if policy else 2]
    if replacing not in (None, *supported):
        errors.append(not_supported("spec.podReplacementPolicy", replacing, supported))
    return errors + _template(spec) + _selector(spec)


def _managed_by(value: str | None) -> Errors:
    if value is None or re.fullmatch(r"[^/]+/.+", value):
        return []
    return [invalid("spec.managedBy", value, 'must be a domain-prefixed path (such as "acme.io/foo")')]


def _completion_mode(spec: Object) -> Errors:
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        return [not_supported("spec.completionMode", mode, ["NonIndexed", "Indexed"])]
    if mode != "Indexed":
        return []
    errors = [] if spec.get("completions") is not None else [
        required("spec.completions", "when completion mode is Indexed")
    ]  # fmt: skip
    if spec.get("parallelism", 0) > MOST_PARALLEL:
        text = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
        errors.append(invalid("spec.parallelism", spec["parallelism"], text))
    return errors


def _pod_failure_policy(policy: Object, spec: Object) -> Errors:
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {each.get("name") for kind in ("containers", "initContainers") for each in pod.get(kind) or []}
    errors: Errors = []
    for index, rule in enumerate(policy.get("rules") or []):
        errors += _failure_rule(rule, names, f"spec.podFailurePolicy.rules[{index}]")
    return errors


def _failure_rule(rule: Object, names: set[str | None], path: str) -> Errors:
    errors: Errors = []
    action, codes, conditions = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions")
    if action == "FailIndex":
        errors.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    elif not action:
        errors.append(required(f"{path}.action", _valid_values(ACTIONS)))
    elif action not in ACTIONS:
        errors.append(not_supported(f"{path}.action", action, ACTIONS))
    if codes is not None:
        errors += _exit_codes(codes, names, f"{path}.onExitCodes")
    for index, pattern in enumerate(conditions or []):
        place = f"{path}.onPodConditions[{index}]"
        errors += invalid_all(f"{place}.type", pattern.get("type", ""), formats.label_key(pattern.get("type", "")))
        if pattern.get("status") not in ("False", "True", "Unknown"):
            errors.append(not_supported(f"{place}.status", pattern.get("status"), ["False", "True", "Unknown"]))
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(invalid(path, NO_VALUE, text))
    if codes is None and not conditions:
        errors.append(invalid(path, NO_VALUE, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def _exit_codes(codes: Object, names: set[str | None], path: str) -> Errors:
    errors: Errors = []
    operator, values = codes.get("operator", ""), codes.get("values") or []
    if not operator:
        errors.append(required(f"{path}.operator", _valid_values(("In", "NotIn"))))
    elif operator not in ("In", "NotIn"):
        errors.append(not_supported(f"{path}.operator", operator, ["In", "NotIn"]))
    if codes.get("containerName") is not None and codes["containerName"] not in names:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", codes["containerName"], text))
    if not values:
        return [*errors, invalid(f"{path}.values", values, "at least one value is required")]
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            errors.append(duplicate(f"{path}.values[{index}]", value))
    if values != sorted(values):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))
    return errors


def _valid_values(values: Iterable[str]) -> str:
    """As Go prints a list of texts."""
    return f"valid values: [{' '.join(map(go_string, sorted(values)))}]"


def _template(spec: Object) -> Errors:
    template, path = spec.get("template") or {}, "spec.template.spec.restartPolicy"
    errors = validate_pod_template(template, "spec.template")
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy not in ("OnFailure", "Never"):
        supported = 'valid values: "OnFailure", "Never"'
        errors.append(
            required(path, supported)
            if policy in ("", "Always")
            else not_supported(path, policy, ["OnFailure", "Never"])
        )
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        errors.append(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))
    return errors


def _selector(spec: Object) -> Errors:
    selector = spec.get("selector")
    errors = [required("spec.selector")] if selector is None else validate_label_selector(selector, "spec.selector")
    try:
        return errors + validate_template_labels(selector, spec.get("template") or {})
    except SelectorError:
        return errors


def _host_name(metadata: Object, spec: Object) -> Errors:
    """An indexed Job's pods have host names, of the Job's name and the index."""
    if spec.get("completionMode") != "Indexed" or not spec.get("completions"):
        return []
    longest = f"{metadata.get('name', '')}-{spec['completions'] - 1}"
    if not formats.dns_label(longest):
        return []
    text = f"will not able to create pod with invalid DNS label: {longest}"
    return [invalid("metadata.name", metadata.get("name", ""), text)]


def _completions(spec: Object, before: Object) -> Errors:
    completions = spec.get("completions")
    if completions == before.get("completions"):
        return []
    if spec.get("completionMode") != "Indexed":
        return immutable(completions, before.get("completions"), "spec.completions")
    if completions != spec.get("parallelism"):
        return [invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")]
    return []


# What a Job that is suspended and has not started may still change in its template.
MUTABLE_METADATA = ("labels", "annotations")
MUTABLE_SPEC = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def _same_template(spec: Object, before: Object, status: Object) -> Errors:
    new, old = spec.get("template") or {}, before.get("template") or {}
    template = new
    if before.get("suspend") and not status.get("startTime"):
        new, old = _without_placement(new), _without_placement(old)
        if new["spec"] != old["spec"]:
            shown = as_go_prints("PodSpec", template.get("spec") or {})
            return [invalid("spec.template.spec", shown, "field is immutable")]
    if new == old:
        return []
    shown = {**(template.get("metadata") or {}), "Spec": as_go_prints("PodSpec", template.get("spec") or {})}
    return [invalid("spec.template", shown, "field is immutable")]


def _without_placement(template: Object) -> Object:
    metadata = {key: each for key, each in (template.get("metadata") or {}).items() if key not in MUTABLE_METADATA}
    spec = {key: each for key, each in (template.get("spec") or {}).items() if key not in MUTABLE_SPEC}
    return {"metadata": metadata, "spec": spec}
