"""What a request asks for: which objects, in which form, under which conditions.

Paths are read as apiserver, endpoints/request/requestinfo.go reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pocket_cluster.api.objects import Object
from pocket_cluster.api.selectors import (
    FieldRequirement,
    LabelSelector,
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_PATH, Kind, field_value

TRUE = ("true", "1", "t", "T", "TRUE", "True")
FALSE = ("", "false", "0", "f", "F", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a collection, an object or a subresource. ``rest`` is a subresource's own path."""

    kind: Kind
    namespace: str | None
    name: str | None
    subresource: str | None
    rest: str = ""


def parse_path(path: str) -> Target:
    """The target of ``/api/v1/namespaces/default/pods/web/log``; NotFound for what is not served."""
    found = re.fullmatch(r"(/api/v1|/apis/[^/]+/[^/]+)/(.+)", path.rstrip("/"))
    if not found:
        raise errors.path_not_found()
    root, parts = found[1], found[2].split("/")
    namespace = None
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    kind = BY_PATH.get((root, parts[0]))
    if kind is None or (namespace and not kind.resource.namespaced):
        raise errors.path_not_found()
    name = parts[1] if len(parts) > 1 else None
    subresource = parts[2] if len(parts) > 2 else None
    if subresource and subresource not in kind.subresources:
        raise errors.path_not_found()
    if name and kind.resource.namespaced and not namespace:
        raise errors.path_not_found()
    return Target(kind, namespace, name, subresource, "/".join(parts[3:]))


@dataclass(frozen=True, slots=True)
class Selection:
    """The label and field selectors of a list, a watch or a delete of many."""

    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.labels.is_empty and not self.fields

    def matches(self, obj: Object) -> bool:
        if not self.labels.matches(obj["metadata"].get("labels")):
            return False
        return all(requirement.matches(field_value(obj, requirement.path)) for requirement in self.fields)


def parse_selection(kind: Kind, query: Mapping[str, str], name: str | None = None) -> Selection:
    """The selectors of a query; BadRequest for one that cannot be read or names a field that cannot be selected."""
    try:
        labels = parse_label_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""))
    except SelectorError as error:
        raise errors.bad_request(str(error)) from None
    for requirement in fields:
        if requirement.path not in kind.fields():
            raise errors.bad_request(_unsupported_field(kind, requirement.path))
    if name:
        fields.append(FieldRequirement("metadata.name", "=", name))
    return Selection(labels, tuple(fields))


def _unsupported_field(kind: Kind, path: str) -> str:
    if kind.selectable_fields and kind.singular != "replicaset":
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query; BadRequest for anything else."""
    value = query.get(name, "")
    if value in TRUE or value in FALSE:
        return value in TRUE
    raise errors.bad_request(f'strconv.ParseBool: parsing "{value}": invalid syntax')


def number(query: Mapping[str, str], name: str) -> int:
    """A whole number of the query, 0 when absent; BadRequest for anything else."""
    value = query.get(name, "") or "0"
    try:
        return int(value)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None


@dataclass(frozen=True, slots=True)
class Accept:
    """The form of the answer: plain objects, a Table or metadata alone."""

    form: str = "object"
    version: str = ""


FORMS = {"Table": "table", "PartialObjectMetadata": "metadata", "PartialObjectMetadataList": "metadata"}


def parse_accept(header: str) -> Accept:
    """The first form of an Accept header that can be served; JSON is what everybody gets."""
    for choice in header.split(","):
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        if media_type not in ("application/json", "*/*", "application/*", ""):
            continue
        options = dict(parameter.partition("=")[::2] for parameter in parameters)
        form = FORMS.get(options.get("as", ""))
        if not options.get("as"):
            return Accept()
        if form and options.get("g") == "meta.k8s.io" and options.get("v") in ("v1", "v1beta1"):
            return Accept(form, options["v"])
    return Accept()
