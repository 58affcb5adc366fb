"""Get and list: one object or many, as JSON, as a Table or as metadata alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver import errors, table
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Accept, Selection, Target, number, parse_selection
from pocket_cluster.apiserver.store import Entry, Expired, Store, encode

CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)


class Page(NamedTuple):
    """A part of a list, and how to go on."""

    entries: list[Entry]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


def get(store: Store, target: Target, accept: Accept, query: Mapping[str, str]) -> bytes:
    """One object, encoded; NotFound when it does not exist."""
    return represent(target.kind, find(store, target), accept, query)


def find(store: Store, target: Target) -> Entry:
    """The newest state of the target; NotFound when it does not exist."""
    name = target.name or ""
    entry = store.get(target.kind.collection, target.kind.key(target.namespace, name))
    if entry is None:
        raise errors.not_found(target.kind.resource, name)
    return entry


def represent(kind: Kind, entry: Entry, accept: Accept, query: Mapping[str, str]) -> bytes:
    """One object in the form that the client accepts."""
    if accept.form == "table":
        metadata = {"resourceVersion": str(entry.revision)}
        return encode(_table(kind, [entry], accept, query, metadata))
    if accept.form == "metadata":
        return encode(_metadata_only(entry.object, accept.version))
    return entry.encoded


async def list_objects(store: Store, target: Target, accept: Accept, query: Mapping[str, str]) -> bytes:
    """A collection, encoded; with selectors, pages and revisions as apiserver, storage/etcd3/store.go has them."""
    kind = target.kind
    selection = parse_selection(kind, query, target.name)
    page = await _page(store, target, selection, query)
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None and selection.is_everything:
            metadata["remainingItemCount"] = page.remaining
    if accept.form == "table":
        return encode(_table(kind, page.entries, accept, query, metadata))
    if accept.form == "metadata":
        items = [_metadata_only(entry.object, accept.version) for entry in page.entries]
        envelope = _envelope("PartialObjectMetadataList", f"meta.k8s.io/{accept.version}", metadata)
        return _join(envelope, map(encode, items))
    envelope = _envelope(kind.resource.kind + "List", kind.resource.group_version, metadata)
    return _join(envelope, (entry.encoded for entry in page.entries))


async def _page(store: Store, target: Target, selection: Selection, query: Mapping[str, str]) -> Page:
    limit = number(query, "limit")
    revision, after = _start(store, query)
    if revision is None:
        found = list(store.items(target.kind.collection))
    else:
        try:
            found = await store.list_at(target.kind.collection, revision)
        except Expired:
            raise errors.expired(_why_expired(query)) from None
    matching = [
        (key, entry)
        for key, entry in found
        if key > after and _in_namespace(key, target) and selection.matches(entry.object)
    ]
    shown = revision or store.revision
    if not limit or len(matching) <= limit:
        return Page([entry for _, entry in matching], shown)
    token = base64.urlsafe_b64encode(encode({"rv": shown, "start": matching[limit - 1][0]})).decode().rstrip("=")
    return Page([entry for _, entry in matching[:limit]], shown, token, len(matching) - limit)


def _in_namespace(key: str, target: Target) -> bool:
    return not target.namespace or key.startswith(f"{target.namespace}/")


def _start(store: Store, query: Mapping[str, str]) -> tuple[int | None, str]:
    """At which revision to list (None: the newest) and after which key."""
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    token = query.get("continue", "")
    _check_match(version, match, token)
    if token:
        if version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        return _read_token(token)
    revision = number(query, "resourceVersion")
    if revision > store.revision:
        raise _too_large(revision, store.revision)
    is_exact = match == "Exact" or (not match and number(query, "limit") and revision)
    return (revision if is_exact else None), ""


def _check_match(version: str, match: str, token: str) -> None:
    problem = ""
    if match and match not in ("Exact", "NotOlderThan"):
        problem = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
    elif match and token:
        problem = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif match and not version:
        problem = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and version == "0":
        problem = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if problem:
        raise errors.StatusError(422, "Invalid", f' "" is invalid: resourceVersionMatch: {problem}')


def _read_token(token: str) -> tuple[int, str]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["rv"]), str(content["start"])
    except (ValueError, KeyError, TypeError):
        raise errors.bad_request("continue key is not valid: encoded continue token is malformed") from None


def _too_large(asked: int, newest: int) -> errors.StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details: Object = {"causes": [cause], "retryAfterSeconds": 1}
    return errors.StatusError(504, "Timeout", f"Too large resource version: {asked}, current: {newest}", details)


def _why_expired(query: Mapping[str, str]) -> str:
    if query.get("continue"):
        return CONTINUE_EXPIRED
    return f"The resourceVersion for the provided list is too old: {query.get('resourceVersion')}"


def _envelope(kind: str, version: str, metadata: Object) -> bytes:
    return encode({"kind": kind, "apiVersion": version, "metadata": metadata})


def _join(envelope: bytes, items: object) -> bytes:
    """The list around items that are encoded already."""
    return envelope[:-1] + b',"items":[' + b",".join(items) + b"]}"  # type: ignore[arg-type]


def _table(kind: Kind, entries: list[Entry], accept: Accept, query: Mapping[str, str], metadata: Object) -> Object:
    include = query.get("includeObject") or "Metadata"
    objects = [entry.object for entry in entries]
    rendered = table.render(kind.resource, objects, include_object=include, list_metadata=metadata)
    return rendered | {"apiVersion": f"meta.k8s.io/{accept.version}"}


def _metadata_only(obj: Object, version: str) -> Object:
    head = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
    return {**head, "metadata": obj["metadata"]}
