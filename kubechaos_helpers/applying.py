"""``kubectl apply`` and ``kubectl delete -f``: object by object, so that one mistake does not stop the others.

An apply leaves the annotation that kubectl leaves, and reads it: the two can be used in turns.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kubechaos_helpers.api import Api, Kind, Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.manifests import Entry, Object, read, refusal_sentence
from kubechaos_helpers.strategic_patch import Schema, three_way_patch

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What Go's encoder writes in its own way within JSON texts.
ESCAPED_IN_GO = {letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}
NOTHING_KNOWN = Schema()


def for_each(source: Path | str, act: Callable[[Entry], object]) -> None:
    """Act on every object of a manifest that can be read; CourseError with all that went wrong, in the end."""
    manifest = read(source)
    troubles = [sentence for entry in manifest.entries for sentence in _attempt(entry, act)]
    if manifest.trouble:
        done = " What stands before it has been dealt with, what follows has not." if manifest.entries else ""
        troubles.append(manifest.trouble + done)
    if troubles:
        raise CourseError("\n".join(troubles))


def _attempt(entry: Entry, act: Callable[[Entry], object]) -> Iterator[str]:
    try:
        act(entry)
    except Refused as refusal:
        yield refusal_sentence(entry, refusal)
    except CourseError as error:
        yield str(error)


def kind_of(api: Api, entry: Entry) -> Kind:
    """How the cluster serves an object; CourseError, with what may have been meant, when it does not."""
    version, name = str(entry.obj["apiVersion"]), str(entry.obj["kind"])
    kind = api.kind_of(version, name)
    if kind:
        return kind
    served = {each.kind: each for each in reversed(api.kinds)}
    close = difflib.get_close_matches(name, served, 1, 0.7)
    hint = " Check the spelling of both, and whether it is installed in this cluster."
    if close:
        hint = f" There is {close[0]} in {served[close[0]].group_version}."
    raise CourseError(f'The cluster knows no kind "{name}" in version "{version}", see {entry.place("kind")}.{hint}')


def apply(api: Api, kind: Kind, namespace: str, obj: Object) -> str:
    """Create or change one object as ``kubectl apply`` does: ``created``, ``configured`` or ``unchanged``.

    What the last apply said and this one no longer says is removed; what others set stays. Raises Refused.
    """
    wanted = annotated(kind, namespace, obj)
    options = {"fieldManager": "kubectl-client-side-apply", "fieldValidation": "Strict"}
    place = wanted["metadata"].get("namespace", "")
    path = kind.path(place, wanted["metadata"]["name"])
    live = api.find(path)
    if live is None:
        api.request("POST", kind.path(place), options, wanted)
        return "created"
    before = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}")
    schema = api.schema(kind)
    patch = three_way_patch(before, wanted, live, schema or NOTHING_KNOWN)
    if not patch:
        return "unchanged"
    way = "strategic-merge-patch" if schema else "merge-patch"
    try:
        api.request("PATCH", path, options, patch, f"application/{way}+json")
    except Refused as refusal:
        raise _clearer(api, kind.path(place), options, wanted) or refusal from None
    return "configured"


def _clearer(api: Api, path: str, options: Mapping[str, str], wanted: Object) -> Refused | None:
    """What the server says about the whole object, when it is the object that it cannot read.

    About a patch it says less: neither the field nor, for a wrong type, what was wrong with it.
    """
    try:
        api.request("POST", path, {**options, "dryRun": "All"}, wanted)
    except Refused as refusal:
        return refusal if refusal.code == 400 else None
    return None


def annotated(kind: Kind, namespace: str, obj: Object) -> Object:
    """The object with its namespace, and with the annotation that says what was applied."""
    metadata = {**obj["metadata"], "annotations": dict(obj["metadata"].get("annotations") or {})}
    metadata["annotations"].pop(LAST_APPLIED, None)
    if kind.namespaced:
        metadata["namespace"] = metadata.get("namespace") or namespace
    noted = json.dumps({**obj, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for letter, escaped in ESCAPED_IN_GO.items():
        noted = noted.replace(letter, escaped)
    annotations = {**metadata["annotations"], LAST_APPLIED: noted + "\n"}
    return {**obj, "metadata": {**metadata, "annotations": annotations}}
