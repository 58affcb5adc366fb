"""Refusals: each is a Status object with the code, reason and words of the real API.

Wording: apimachinery, pkg/api/errors/errors.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.field_errors import FieldError, aggregate


class StatusError(Exception):
    """A request that the API refuses."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        """The Status object that the client gets."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:  # clients look into empty details too
            status["details"] = self.details
        return status | {"code": self.code}


def qualified(resource: Resource) -> str:
    """``deployments.apps``, or ``pods`` in the core group."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def details_of(resource: Resource, name: str) -> Object:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {field: value for field, value in details.items() if value}


def not_found(resource: Resource, name: str) -> StatusError:
    message = f'{qualified(resource)} "{name}" not found'
    return StatusError(404, "NotFound", message, details_of(resource, name))


def path_not_found() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def nothing_there() -> web.HTTPNotFound:
    """Outside the groups that are served, "not found" is plain text."""
    return web.HTTPNotFound(text="404 page not found\n")


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{qualified(resource)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details_of(resource, name))


def conflict(resource: Resource, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return StatusError(409, "Conflict", message, details_of(resource, name))


def precondition_failed(resource: Resource, name: str, why: str) -> StatusError:
    """A deletion of another object, or of another state of it, than the client meant. It names the kind."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = details_of(resource, name) | {"kind": resource.kind}
    return StatusError(409, "Conflict", f'Operation cannot be fulfilled on {kind} "{name}": {why}', details)


def modified(resource: Resource, name: str) -> StatusError:
    """Somebody else wrote the object since this client read it."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> StatusError:
    qualified_kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    details = {field: value for field, value in details.items() if value}
    details["causes"] = [error.cause for error in errors]  # type: ignore[assignment]
    return StatusError(422, "Invalid", f'{qualified_kind} "{name}" is invalid: {aggregate(errors)}', details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def forbidden(resource: Resource, name: str, why: str, causes: Sequence[Object] = ()) -> StatusError:
    details: Object = details_of(resource, name)
    if causes:
        details["causes"] = list(causes)
    return StatusError(403, "Forbidden", f'{qualified(resource)} "{name}" is forbidden: {why}', details)


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def invalid_options(kind: str, problems: Sequence[FieldError]) -> StatusError:
    """Invalid for the options of a request, such as ``PatchOptions``."""
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [problem.cause for problem in problems]}
    return StatusError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {aggregate(problems)}', details)


def not_acceptable(message: str, details: Object | None = None) -> StatusError:
    return StatusError(406, "NotAcceptable", message, details)


def unsupported_patch() -> StatusError:
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_media_type(supported: Sequence[str]) -> StatusError:
    accepted = ", ".join(supported)
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return StatusError(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """The revision asked for has been compacted."""
    return StatusError(410, "Expired", message)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def service_unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", message)
