"""How a create, update or patch is to be done, and what is wrong with such wishes.

Rules: apimachinery, pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.request import flag
from pocket_cluster.apiserver.schema.field_errors import (
    Errors,
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)

STRICTNESS = ("", "Ignore", "Strict", "Warn")
LONGEST_MANAGER = 128
KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a create, update or patch is to be done."""

    dry_run: bool
    strictness: str
    manager: str
    force: bool


def parse_write_options(query: Mapping[str, str], method: str, user_agent: str, is_apply: bool) -> WriteOptions:
    """The options in a query; the manager is the client's own name where the query names none.

    Raises StatusError, Invalid, for what is not allowed.
    """
    problems = _common_problems(query)
    if method == "PATCH":
        problems = _patch_problems(query, is_apply) + problems
    if problems:
        raise errors.invalid_options(KINDS.get(method, "CreateOptions"), problems)
    manager = query.get("fieldManager", "") or _name_in(user_agent) or "unknown"
    strictness = query.get("fieldValidation", "") or "Warn"
    return WriteOptions(bool(query.get("dryRun")), strictness, manager, flag(query, "force"))


def _name_in(user_agent: str) -> str:
    """What can be printed of the client's own name (apiserver, endpoints/handlers/create.go, prefixFromUserAgent)."""
    name = user_agent.partition("/")[0].partition(" ")[0]
    as_go_reads_it = name.encode(errors="surrogateescape").decode(errors="replace")
    printable = "".join(filter(str.isprintable, as_go_reads_it))
    return printable.encode()[:LONGEST_MANAGER].decode(errors="ignore")


def _patch_problems(query: Mapping[str, str], is_apply: bool) -> Errors:
    if is_apply:
        return [] if query.get("fieldManager") else [required("fieldManager", "is required for apply patch")]
    return [forbidden("force", "may not be specified for non-apply patch")] if "force" in query else []


def _common_problems(query: Mapping[str, str]) -> Errors:
    problems: Errors = []
    if len(query.get("fieldManager", "").encode()) > LONGEST_MANAGER:
        problems.append(too_long("fieldManager", LONGEST_MANAGER))
    manager = query.get("fieldManager", "")
    strange = next(((at, letter) for at, letter in enumerate(manager) if not letter.isprintable()), None)
    if strange:
        where = f"invalid character U+{ord(strange[1]):04X} (at position {strange[0]})"
        problems.append(invalid("fieldManager", manager, where))
    dry_run, strictness = query.get("dryRun", ""), query.get("fieldValidation", "")
    problems += dry_run_problems([dry_run] if dry_run else [])
    if strictness not in STRICTNESS:
        problems.append(not_supported("fieldValidation", strictness, STRICTNESS))
    return problems


def dry_run_problems(given: Sequence[str]) -> Errors:
    """A dry run is of all stages or of none."""
    if set(given) <= {"All"}:
        return []
    return [FieldError("FieldValueNotSupported", "dryRun", 'supported values: "All"', list(given))]
