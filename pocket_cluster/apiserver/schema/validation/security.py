"""Security contexts of pods and of their containers."""

from __future__ import annotations

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import Errors, forbidden, invalid, not_supported, required
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.go_structs import as_go_prints
from pocket_cluster.apiserver.schema.validation.paths import descending_path

MAXIMUM_ID = 2**31 - 1
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
PROC_MOUNTS = ("Default", "Unmasked")
CHANGE_POLICIES = ("Always", "OnRootMismatch")


def validate_container_security(context: Object, path: str) -> Errors:
    errors: Errors = []
    if context.get("privileged"):
        # As where kube-apiserver runs without --allow-privileged.
        errors.append(forbidden(f"{path}.privileged", "disallowed by cluster policy"))
    errors += _ids(context, ("runAsUser", "runAsGroup"), path)
    proc = context.get("procMount")
    if proc is not None and proc not in PROC_MOUNTS:
        errors.append(not_supported(f"{path}.procMount", proc, PROC_MOUNTS))
    if proc == "Unmasked":
        errors.append(invalid(f"{path}.procMount", proc, "`hostUsers` must be false to use `Unmasked`"))
    errors += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    return errors + _escalation(context, path)


def validate_pod_security(context: Object, path: str) -> Errors:
    errors = _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    for index, group in enumerate(context.get("supplementalGroups") or []):
        errors += _id(group, f"{path}.supplementalGroups[{index}]")
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in CHANGE_POLICIES:
        errors.append(not_supported(f"{path}.fsGroupChangePolicy", policy, CHANGE_POLICIES))
    return errors + _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")


def _ids(context: Object, fields: tuple[str, ...], path: str) -> Errors:
    return [error for field in fields for error in _id(context.get(field), f"{path}.{field}")]


def _id(value: int | None, path: str) -> Errors:
    is_fine = value is None or 0 <= value <= MAXIMUM_ID
    return [] if is_fine else [invalid(path, value, formats.between(0, MAXIMUM_ID))]


def _seccomp(profile: Object | None, path: str) -> Errors:
    if profile is None:
        return []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    errors: Errors = []
    if not kind:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in PROFILES:
        errors.append(not_supported(f"{path}.type", kind, PROFILES))
    if kind != "Localhost":
        text = "can only be set when seccomp type is Localhost"
        shown = {"Type": kind, "LocalhostProfile": local}
        return errors if local is None else [*errors, invalid(f"{path}.localhostProfile", shown, text)]
    if local is None:
        return [*errors, required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")]
    return errors + descending_path(local, f"{path}.localhostProfile")


def _escalation(context: Object, path: str) -> Errors:
    if context.get("allowPrivilegeEscalation") is not False:
        return []
    shown = as_go_prints("SecurityContext", context)
    added = (context.get("capabilities") or {}).get("add") or []
    texts = ["`privileged` to true"] if context.get("privileged") else []
    texts += ["`capabilities.Add` CAP_SYS_ADMIN"] * added.count("CAP_SYS_ADMIN")
    return [invalid(path, shown, f"cannot set `allowPrivilegeEscalation` to false and {text}") for text in texts]
