"""What may be said of a list, a watch or a deletion of many, and what is wrong with such wishes.

Rules, in this order: the types of the parameters, the selectors, what goes together (apimachinery,
pkg/apis/meta/internalversion/validation), the fields that can be selected; then revisions and pages (apiserver,
storage).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.api.selectors import (
    FieldRequirement,
    LabelSelector,
    Requirement,
    SelectorError,
    parse_field_selector,
    parse_label_selector,
)
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import Kind, field_value
from pocket_cluster.apiserver.request import flag, number, unsigned
from pocket_cluster.apiserver.schema import DecodeError, json_type, parse_text
from pocket_cluster.apiserver.schema.body import WrittenNumber
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    FieldError,
    aggregate,
    forbidden,
    invalid,
    not_supported,
)
from pocket_cluster.apiserver.schema.validation import formats
from pocket_cluster.apiserver.store import encode

EXACT, NOT_OLDER = "Exact", "NotOlderThan"
TOKEN_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Selection:
    """The label and field selectors."""

    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.labels.is_empty and not self.fields

    def matches(self, obj: Object) -> bool:
        if not self.labels.matches(obj["metadata"].get("labels")):
            return False
        return all(requirement.matches(field_value(obj, requirement.path)) for requirement in self.fields)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The parameters. ``seconds`` and ``limit`` are 0 where nothing was said, ``initial`` is None."""

    selection: Selection
    seconds: int
    limit: int
    version: str
    match: str
    token: str
    initial: bool | None
    bookmarks: bool
    include: str


def parse_list_options(
    kind: Kind, query: Mapping[str, str], name: str | None = None, is_watch: bool = False
) -> ListOptions:
    """The options in a query; ``name`` is the one object that a path names.

    Raises StatusError: BadRequest for what cannot be read, Invalid for what does not go together.
    """
    seconds, limit = number(query, "timeoutSeconds"), number(query, "limit")
    try:
        labels = parse_label_selector(query.get("labelSelector", ""))
        for requirement in labels.requirements:
            _check_requirement(requirement)
        fields = parse_field_selector(query.get("fieldSelector", ""))
    except SelectorError as error:
        raise errors.bad_request(str(error)) from None
    initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    version, match, token = (query.get(part, "") for part in ("resourceVersion", "resourceVersionMatch", "continue"))
    problems = list(_watch_problems(match, initial) if is_watch else _list_problems(version, match, token, initial))
    if problems:
        raise errors.invalid_options("ListOptions", problems)
    for selected in fields:
        if selected.path not in kind.fields():
            raise errors.bad_request(_unsupported_field(kind, selected.path))
    if name:
        fields.append(FieldRequirement("metadata.name", "=", name))
    selection = Selection(labels, tuple(fields))
    bookmarks, include = flag(query, "allowWatchBookmarks"), query.get("includeObject") or "Metadata"
    return ListOptions(selection, seconds, limit, version, match, token, initial, bookmarks, include)


def _check_requirement(requirement: Requirement) -> None:
    """SelectorError for a key or a value that no label can have (NewRequirement in pkg/labels/selector.go)."""
    wrong = formats.label_key(requirement.key)
    problems: Errors = [invalid("<nil>", requirement.key, "; ".join(wrong))] if wrong else []
    for index, value in enumerate(sorted(requirement.values)):
        if requirement.operator in ("gt", "lt") and not value.lstrip("+-").isdecimal():
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            problems.append(invalid(f"values[{index}]", value, why))
        elif wrong := formats.label_value(value):
            problems.append(invalid(f"values[{index}][{requirement.key}]", value, "; ".join(wrong)))
    if problems:
        raise SelectorError(f"unable to parse requirement: {aggregate(problems)}")


def _list_problems(version: str, match: str, token: str, initial: bool | None) -> Iterator[FieldError]:
    path = "resourceVersionMatch"
    if match and not version:
        yield forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and token:
        yield forbidden(path, "resourceVersionMatch is forbidden when continue is provided")
    if match not in ("", EXACT, NOT_OLDER):
        yield not_supported(path, match, (EXACT, NOT_OLDER, ""))
    if match == EXACT and version == "0":
        yield forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if initial is not None:
        yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_problems(match: str, initial: bool | None) -> Iterator[FieldError]:
    path = "resourceVersionMatch"
    if match and initial is None:
        yield forbidden(path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if initial is not None and match != NOT_OLDER:
        yield forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match not in ("", NOT_OLDER):
        yield not_supported(path, match, (NOT_OLDER,))


def _unsupported_field(kind: Kind, path: str) -> str:
    if kind.singular == "job":
        return f'field label "{path}" not supported for Job'
    if kind.selectable_fields and kind.singular != "replicaset":
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


# --- revisions and pages


def revision(text: str) -> int:
    """The number of a resource version, 0 for none; StatusError without a reason for anything else."""
    try:
        return unsigned(text or "0")
    except ValueError as error:
        raise errors.StatusError(500, "", str(invalid("resourceVersion", text, str(error)))) from None


class Position(NamedTuple):
    """Where a page begins: after which key of the collection, at which revision."""

    revision: int
    key: str


def write_token(position: Position) -> str:
    """What a client gives back for the next page."""
    token = {"v": TOKEN_VERSION, "rv": position.revision, "start": position.key}
    return base64.urlsafe_b64encode(encode(token)).decode().rstrip("=")


def read_token(text: str) -> Position:
    """Where to go on; BadRequest for what is no token (apiserver, storage/continue.go)."""
    try:
        token = _decoded(text)
    except DecodeError as error:
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from None
    return Position(token["rv"], token["start"])


def _decoded(text: str) -> Object:
    strange = re.search(r"[^A-Za-z0-9_-]", text)
    stop = strange.start() if strange else len(text) // 4 * 4
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError(f"illegal base64 data at input byte {stop}") from None
    token = _typed(parse_text(raw))
    if token["v"] != TOKEN_VERSION:
        raise DecodeError(f"server does not recognize this encoded version {token['v']}")
    if not token["rv"]:
        raise DecodeError(f"incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not token["start"]:
        raise DecodeError(f"encoded start key empty (version {TOKEN_VERSION})")
    return token


def _typed(token: Any) -> Object:
    """The fields of a token; DecodeError in the words of Go's decoder when one is of another type."""
    if not isinstance(token, dict):
        raise DecodeError(f"json: cannot unmarshal {json_type(token)} into Go value of type storage.continueToken")
    typed: Object = {"v": "", "rv": 0, "start": ""}
    for name, zero in typed.items():
        value = token.get(name)
        if value is None:
            continue
        is_whole = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        if not (isinstance(value, str) if zero == "" else is_whole):
            go, found = "string" if zero == "" else "int64", json_type(value)
            if (go, found) == ("int64", "number"):
                found += f" {value.text if isinstance(value, WrittenNumber) else value}"
            raise DecodeError(f"json: cannot unmarshal {found} into Go struct field continueToken.{name} of type {go}")
        typed[name] = value
    return typed
