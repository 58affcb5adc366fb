"""Reading manifests: from a file or a text to objects, or to the sentence that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from kubechaos_helpers.api import Api, Kind, Refused
from kubechaos_helpers.errors import CourseError

Object = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def load(source: Path | str) -> list[Object]:
    """The objects of a manifest. A text with a line break is YAML itself, anything else the path of a file.

    Raises CourseError for a file that is missing, not YAML, or not Kubernetes.
    """
    is_text = isinstance(source, str) and "\n" in source
    where = "This text" if is_text else str(source)
    text = str(source) if is_text else _read(Path(source))
    try:
        documents = list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        raise CourseError(_yaml_sentence(where, error)) from None
    objects = [document for document in documents if document is not None]
    if not objects:
        raise CourseError(f"{where} is empty: there is nothing to apply.")
    for index, obj in enumerate(objects, 1):
        _check(where, index, obj)
    return objects


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a time stays the text that it was."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        folder = path.parent if path.parent.exists() else path.parent.parent
        near = ", ".join(sorted(each.name for each in folder.glob("*.yaml"))) if folder.exists() else ""
        there = f" In {folder} there are: {near}." if near else ""
        raise CourseError(f"There is no manifest {path}.{there} Check the name and try again.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from None


def _yaml_sentence(where: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f" in line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    return (
        f"{where} is not valid YAML{line}: {problem}. Look at that line and the one above it: at the indentation,"
        " at the colons, at brackets and quotes that are not closed."
    )


def _check(where: str, index: int, obj: Any) -> None:
    missing = [field for field in ("apiVersion", "kind") if not (isinstance(obj, dict) and obj.get(field))]
    if missing:
        raise CourseError(
            f"Document {index} of {where} is not a Kubernetes object: it has no {' and no '.join(missing)}."
            " A Deployment begins with the lines `apiVersion: apps/v1` and `kind: Deployment`."
        )
    if not (obj.get("metadata") or {}).get("name"):
        raise CourseError(f"The {obj['kind']} in document {index} of {where} has no name: add `metadata: name:` to it.")


def apply(api: Api, namespace: str, obj: Object) -> str:
    """Create or change one object as ``kubectl apply`` does; ``created``, ``configured`` or ``unchanged``.

    What the last apply said and this one no longer says is removed; what others set stays. Raises Refused, or
    CourseError for a kind that the cluster does not serve.
    """
    kind = api.kind_of(obj["apiVersion"], obj["kind"])
    if kind is None:
        raise CourseError(
            f'The cluster knows no kind "{obj["kind"]}" in version "{obj["apiVersion"]}".'
            " Check the spelling of both; a Deployment is in apps/v1, a Service in v1."
        )
    place = (obj.get("metadata") or {}).get("namespace") or namespace
    wanted = {**obj, "metadata": {**obj["metadata"], "annotations": dict(obj["metadata"].get("annotations") or {})}}
    if kind.namespaced:
        wanted["metadata"]["namespace"] = place
    noted = json.dumps(wanted, separators=(",", ":"), sort_keys=True) + "\n"
    wanted["metadata"]["annotations"][LAST_APPLIED] = noted
    return _create_or_change(api, kind, place, wanted)


def _create_or_change(api: Api, kind: Kind, namespace: str, wanted: Object) -> str:
    options = {"fieldManager": "kubectl-client-side-apply", "fieldValidation": "Strict"}
    path = kind.path(namespace, wanted["metadata"]["name"])
    try:
        live = api.request("GET", path)
    except Refused as refusal:
        if refusal.code != 404:
            raise
        api.request("POST", kind.path(namespace), options, wanted)
        return "created"
    before = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED) or "{}")
    change = three_way_patch(before, wanted, live)
    if not change:
        return "unchanged"
    changed = api.request("PATCH", path, options, change, "application/merge-patch+json")
    same = changed["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    return "unchanged" if same else "configured"


def three_way_patch(before: Object, wanted: Object, live: Object) -> Object:
    """The merge patch that brings ``live`` to ``wanted``, and removes what only ``before`` said (null)."""
    patch: Object = {key: None for key in before if key not in wanted and key in live}
    for key, value in wanted.items():
        current = live.get(key)
        if isinstance(value, dict) and isinstance(current, dict):
            inner = three_way_patch(before.get(key) or {} if isinstance(before.get(key), dict) else {}, value, current)
            if inner:
                patch[key] = inner
        elif value != current:
            patch[key] = value
    return patch
