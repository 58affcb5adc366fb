"""In which form a client wants its answer: the Accept header.

Rules: go-restful's jsr311.go (whether any form is there at all), apiserver, endpoints/handlers/negotiation (which one).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pocket_cluster.apiserver import errors

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
READABLE = (JSON, YAML, PROTOBUF)
WATCHABLE = tuple(f"{media_type};stream=watch" for media_type in (JSON, PROTOBUF))
FORMS = {"Table": "table", "PartialObjectMetadata": "metadata", "PartialObjectMetadataList": "metadata"}
GROUP, VERSIONS = "meta.k8s.io", ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Accept:
    """The form of the answer: plain objects, a Table or metadata alone. ``asked`` is the kind in the client's words."""

    form: str = "object"
    version: str = ""
    asked: str = ""
    media_type: str = JSON


def negotiate(header: str, is_collection: bool) -> Accept:
    """The first form of an Accept header that can be served. Who accepts protobuf alone gets JSON, which says so.

    Raises StatusError, NotAcceptable, for media types that no answer has and for forms of objects that do not exist.
    """
    choices = read_choices(header) if header.strip() else [Choice(JSON)]
    if not any(choice.media_type in ("*/*", *READABLE) for choice in choices):
        offered = ", ".join((*READABLE, *(WATCHABLE if is_collection else ())))
        raise errors.not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {offered}", {})
    for choice in choices:
        if accept := choice.accept():
            return accept
    raise errors.not_acceptable(f"only the following media types are accepted: {', '.join(READABLE)}")


def read_choices(header: str) -> list[Choice]:
    """The clauses of an Accept header, the most wanted first."""
    return [Choice(clause) for clause in header.split(",")]


class Choice:
    """One clause of an Accept header, such as ``application/json;as=Table;g=meta.k8s.io;v=v1``."""

    def __init__(self, text: str) -> None:
        self.media_type, *parameters = (part.strip() for part in text.split(";"))
        options = dict(_pairs(parameters))
        self.kind, self.group, self.version = (options.get(name, "") for name in ("as", "g", "v"))

    def accept(self) -> Accept | None:
        """What is served to who asks for this; None when there is no such thing."""
        media_type = JSON if self.media_type in ("*/*", "application/*") else self.media_type
        if media_type not in READABLE:
            return None
        if not (self.kind or self.group or self.version):
            return Accept(media_type=media_type)
        is_served = self.group == GROUP and self.version in VERSIONS and self.kind in FORMS
        if not is_served or (self.kind == "Table" and media_type == PROTOBUF):
            return None
        return Accept(FORMS[self.kind], self.version, self.kind, media_type)


def _pairs(parameters: Iterable[str]) -> Iterable[tuple[str, str]]:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        yield key.strip(), value.strip()


def check_shape(accept: Accept, kind: str, is_list: bool) -> None:
    """NotAcceptable where metadata of a list is asked for and one object is there, or the other way about.

    ``kind`` is what is there, in Go's words, e.g. ``*core.PodList``.
    """
    if accept.form != "metadata" or accept.asked.endswith("List") == is_list:
        return
    what = "is a list" if is_list else "is not a list"
    raise errors.not_acceptable(f"you requested {accept.asked}, but the requested object {what} ({kind})")
