"""Get and list: one object or many, as JSON, as a Table or as metadata alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import EVENTS
from pocket_cluster.apiserver import errors, table
from pocket_cluster.apiserver.list_options import (
    EXACT,
    ListOptions,
    Position,
    parse_list_options,
    read_token,
    revision,
    write_token,
)
from pocket_cluster.apiserver.negotiation import Accept, check_shape
from pocket_cluster.apiserver.registry import Kind
from pocket_cluster.apiserver.request import Target
from pocket_cluster.apiserver.store import Entry, Expired, Store, encode

CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)
LIST_EXPIRED = "The resourceVersion for the provided list is too old."


class Page(NamedTuple):
    """A part of a list, and how to go on."""

    entries: list[Entry]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


def get(store: Store, target: Target, accept: Accept, query: Mapping[str, str]) -> bytes:
    """One object, encoded; NotFound when it does not exist."""
    read = _asked if target.kind.resource is EVENTS else revision
    asked = read(query.get("resourceVersion", ""))
    if asked > store.revision:
        raise _too_large(asked, store.revision)
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
        metadata = {"resourceVersion": str(entry.revision)} if entry.revision else {}  # a dry run has none
        return encode(_table(kind, [entry], accept, query.get("includeObject") or "Metadata", metadata))
    check_shape(accept, go_name(kind), is_list=False)
    if accept.form == "metadata":
        return encode(table.metadata_only(entry.object["metadata"], accept.version))
    return entry.encoded


def go_name(kind: Kind) -> str:
    """What Go calls the type, for sentences that name it: ``*core.Pod``."""
    return f"*{(kind.resource.group or 'core').partition('.')[0]}.{kind.resource.kind}"


async def list_objects(store: Store, target: Target, accept: Accept, query: Mapping[str, str]) -> bytes:
    """A collection, encoded; with selectors, pages and revisions as apiserver, storage/etcd3/store.go has them."""
    kind = target.kind
    options = parse_list_options(kind, query, target.name)
    page = await _page(store, target, options)
    metadata: Object = {"resourceVersion": str(page.revision)}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None and options.selection.is_everything:
            metadata["remainingItemCount"] = page.remaining
    if accept.form == "table":
        return encode(_table(kind, page.entries, accept, options.include, metadata))
    check_shape(accept, f"{go_name(kind)}List", is_list=True)
    if accept.form == "metadata":
        items = [table.metadata_only(entry.object["metadata"], accept.version) for entry in page.entries]
        envelope = _envelope("PartialObjectMetadataList", f"meta.k8s.io/{accept.version}", metadata)
        return _join(envelope, map(encode, items))
    return encode_list(kind, page.entries, metadata)


def encode_list(kind: Kind, entries: Iterable[Entry], metadata: Object) -> bytes:
    """A list, whose items do not say again what they are."""
    envelope = _envelope(kind.resource.kind + "List", kind.resource.group_version, metadata)
    head = _type_head(kind)
    return _join(envelope, (_without_type(entry, head) for entry in entries))


def _type_head(kind: Kind) -> bytes:
    """How an object of this kind begins in the store, when it was written by this API server."""
    return encode({"kind": kind.resource.kind, "apiVersion": kind.resource.group_version})[:-1] + b","


def _without_type(entry: Entry, head: bytes) -> bytes:
    if entry.encoded.startswith(head):
        return b"{" + entry.encoded[len(head) :]
    return encode({field: value for field, value in entry.object.items() if field not in ("kind", "apiVersion")})


async def _page(store: Store, target: Target, options: ListOptions) -> Page:
    limit, (at, after) = options.limit, _start(store, options)
    if at is None:
        found = list(store.items(target.kind.collection))
    else:
        try:
            found = await store.list_at(target.kind.collection, at)
        except Expired:
            raise errors.expired(CONTINUE_EXPIRED if options.token else LIST_EXPIRED) from None
    matching = [
        (key, entry)
        for key, entry in found
        if key > after and _in_namespace(key, target) and options.selection.matches(entry.object)
    ]
    shown = at or store.revision
    if limit <= 0 or len(matching) <= limit:
        return Page([entry for _, entry in matching], shown)
    token = write_token(Position(shown, matching[limit - 1][0]))
    return Page([entry for _, entry in matching[:limit]], shown, token, len(matching) - limit)


def _in_namespace(key: str, target: Target) -> bool:
    return not target.namespace or key.startswith(f"{target.namespace}/")


def _start(store: Store, options: ListOptions) -> tuple[int | None, str]:
    """At which revision to list (None: the newest) and after which key."""
    if options.token:
        position = read_token(options.token)
        if options.version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        if position.revision > store.revision:
            raise _too_large(position.revision, store.revision)
        return (position.revision if position.revision > 0 else None), position.key
    asked = _asked(options.version)
    if asked > store.revision:
        raise _too_large(asked, store.revision)
    is_exact = options.match == EXACT or (not options.match and options.limit > 0 and asked)
    return (asked if is_exact else None), ""


def _asked(version: str) -> int:
    """The revision at which to read past the cache of a real API server, which has words of its own."""
    try:
        return revision(version)
    except errors.StatusError as error:
        raise errors.bad_request(f"invalid resource version: {error.message}") from None


def _too_large(asked: int, newest: int) -> errors.StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details: Object = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {asked}, current: {newest}"
    return errors.StatusError(504, "Timeout", message, details)


def _envelope(kind: str, version: str, metadata: Object) -> bytes:
    return encode({"kind": kind, "apiVersion": version, "metadata": metadata})


def _join(envelope: bytes, items: object) -> bytes:
    """The list around items that are encoded already."""
    return envelope[:-1] + b',"items":[' + b",".join(items) + b"]}"  # type: ignore[arg-type]


def _table(kind: Kind, entries: list[Entry], accept: Accept, include: str, metadata: Object) -> Object:
    objects = [entry.object for entry in entries]
    return table.render(kind.resource, objects, accept.version, include_object=include, list_metadata=metadata)
