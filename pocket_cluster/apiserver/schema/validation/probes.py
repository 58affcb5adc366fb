"""Probes and lifecycle handlers of containers."""

from __future__ import annotations

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    forbidden,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.schema.validation.metadata import not_negative
from pocket_cluster.apiserver.schema.validation.services import port_number_or_name

SECONDS_AND_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
SCHEMES = ("HTTP", "HTTPS")


def validate_probe(probe: Object, kind: str, grace: int | None, path: str) -> Errors:
    """``kind`` is livenessProbe, readinessProbe or startupProbe; ``grace`` the pod's grace period in seconds."""
    errors = _handler(probe, grace, path)
    for field in SECONDS_AND_COUNTS:
        errors += not_negative(probe.get(field), f"{path}.{field}")
    own_grace, place = probe.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds"
    if own_grace is not None and own_grace <= 0:
        errors.append(invalid(place, own_grace, "must be greater than 0"))
    if kind == "readinessProbe":
        if own_grace is not None:
            errors.append(invalid(place, own_grace, "must not be set for readinessProbes"))
    elif probe.get("successThreshold") != 1:
        errors.append(invalid(f"{path}.successThreshold", probe.get("successThreshold", 0), "must be 1"))
    return errors


def validate_lifecycle(lifecycle: Object, grace: int | None, path: str) -> Errors:
    errors: Errors = []
    for moment in ("postStart", "preStop"):
        if moment in lifecycle:
            errors += _handler(lifecycle[moment], grace, f"{path}.{moment}")
    return errors


def _handler(handler: Object, grace: int | None, path: str) -> Errors:
    kinds = [kind for kind in HANDLERS if kind in handler]
    if not kinds:
        return [required(path, "must specify a handler type")]
    errors = _action(kinds[0], handler[kinds[0]], grace, f"{path}.{kinds[0]}")
    return errors + [forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in kinds[1:]]


def _action(kind: str, action: Object, grace: int | None, path: str) -> Errors:
    match kind:
        case "exec":
            return [] if action.get("command") else [required(f"{path}.command")]
        case "httpGet":
            return _http_get(action, path)
        case "sleep":
            return _sleep(action.get("seconds", 0), grace, path)
    return port_number_or_name(action.get("port", 0), f"{path}.port")


def _http_get(action: Object, path: str) -> Errors:
    errors = [] if action.get("path") else [required(f"{path}.path")]
    errors += port_number_or_name(action.get("port", 0), f"{path}.port")
    scheme = action.get("scheme", "")
    if scheme not in SCHEMES:
        errors.append(not_supported(f"{path}.scheme", scheme, SCHEMES))
    for header in action.get("httpHeaders") or []:
        name = header.get("name", "")
        errors += invalid_all(f"{path}.httpHeaders", name, formats.header_name(name))
    return errors


def _sleep(seconds: int, grace: int | None, path: str) -> Errors:
    if grace is None or 0 <= seconds <= grace:
        return []
    return [invalid(path, seconds, f"must be non-negative and less than terminationGracePeriodSeconds ({grace})")]
