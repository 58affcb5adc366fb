"""Stories of requests, each answered as a real API server answered it.

``stories/NAME.yaml`` holds the requests, ``stories/NAME.answers.yaml`` what Kubernetes 1.36.3 answered, recorded by
``RECORD_API_ANSWERS=KUBECONFIG pytest tests/pocket_cluster/apiserver/test_stories.py``. A step is a method and a path
below the namespace; ``as`` is the kind of a patch, ``text`` a body that is sent as it stands, ``accept`` the form of
the answer. In paths and texts ``<ab*3>`` is ``ababab``. A story that ``shows: managers`` compares managedFields too.
``$uid``, ``$rv`` and ``$continue`` are those of the last answer that had one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).with_name("stories")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "yaml": "application/yaml",
}
FORMS = {
    "table": "application/json;as=Table;g=meta.k8s.io;v=v1",
    "metadata": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "metadata-list": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
}
REPEATED = re.compile(r"<([^<>]*)\*([0-9]+)>", re.DOTALL)
MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"(resourceVersion\W+|object meta: |in precondition: |resource version: |current: )\d+"), r"\1RV"),
    (re.compile(r"(in record \()\d+"), r"\1RV"),
    # A refused patch is told with the whole object, in the order of Go's fields.
    (re.compile(r'Invalid value: "\{"\w+".*\}"'), 'Invalid value: "OBJECT"'),
    (re.compile(r'Invalid value: "\{\\"\w+\\":.*\}"'), 'Invalid value: "OBJECT"'),
    (re.compile(r"\b10\.(96|97|98|99|1[01]\d)\.\d+\.\d+\b"), "CLUSTER-IP"),
)
# The server's own, different in each run. A status is what a controller wrote, whom only the real cluster has.
RUNNING = ("uid", "creationTimestamp", "resourceVersion", "time", "deletionTimestamp", "remainingItemCount", "continue",
           "healthCheckNodePort")  # fmt: skip
TOKENS = ("volumes", "volumeMounts")
CONTROLLERS = ("kube-controller-manager", "kubelet", "kube-scheduler")


def stories() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.yaml")):
        if file.name.count(".") == 1:
            found += [pytest.param(file.stem, story, id=story["story"]) for story in yaml.safe_load(file.read_text())]
    return found


def filled_in(value: Any, known: dict[str, str]) -> Any:
    text = json.dumps(value)
    for name, found in known.items():
        text = text.replace(f"${name}", found)
    return json.loads(text)


def remember(body: Any, known: dict[str, str]) -> None:
    metadata = body.get("metadata") if isinstance(body, dict) else None
    for name, field in ("uid", "uid"), ("rv", "resourceVersion"), ("continue", "continue"):
        if metadata and metadata.get(field):
            known[name] = metadata[field]


def masked(value: Any, hidden: tuple[str, ...] = ("status", "managedFields")) -> Any:
    """The value without what no two runs have in common, and without some fields of objects."""
    if isinstance(value, dict):
        shown = {key: item for key, item in value.items() if key not in hidden or value.get("kind") == "Status"}
        found = {key: key.upper() if key in RUNNING and item else masked(item, hidden) for key, item in shown.items()}
        return {key: item for key, item in found.items() if key not in TOKENS or item}
    if isinstance(value, list):
        mine = [item for item in value if not isinstance(item, dict) or not is_foreign(item)]
        return [masked(item, hidden) for item in mine]
    if isinstance(value, str):
        for pattern, replacement in MASKS:
            value = pattern.sub(replacement, value)
    return value


def is_foreign(item: dict[str, Any]) -> bool:
    """What only a real cluster adds: its controllers' shares of managedFields, and tokens in pods."""
    return item.get("manager") in CONTROLLERS or item.get("name", "").startswith("kube-api-access-")


def answer_of(api: Any, step: dict[str, Any], known: dict[str, str], shows: str) -> dict[str, Any]:
    method = next(each for each in METHODS if each in step)
    body = filled_in(step["body"], known) if "body" in step else None
    if "text" in step:
        body = REPEATED.sub(_repeated, step["text"]).encode()
    headers = {"Content-Type": PATCHES[step["as"]]} if "as" in step else {}
    if "accept" in step:
        headers["Accept"] = FORMS[step["accept"]]
    path = REPEATED.sub(_repeated, filled_in(step[method], known))
    answer = api.send(method, path, body, headers | step.get("headers", {}))
    remember(answer.body, known)
    hidden = ("status",) if shows == "managers" else ("status", "managedFields")
    warnings = [masked(value) for name, value in answer.headers if name.lower() == "warning"]
    found = {"code": answer.code, "body": masked(answer.body, hidden)}
    return found | ({"warnings": ", ".join(warnings)} if warnings else {})


def _repeated(found: re.Match[str]) -> str:
    return found[1] * int(found[2])


@pytest.mark.parametrize(("file", "story"), stories())
def test_the_answers_are_the_real_ones(file: str, story: dict[str, Any], api: Any, recorded: Any) -> None:
    known: dict[str, str] = {}
    answers = [answer_of(api, step, known, story.get("shows", "")) for step in story["steps"]]
    for step, found, expected in zip(story["steps"], answers, recorded(file, story["story"], answers), strict=True):
        assert found == expected, step


@pytest.fixture(scope="session")
def recorded(request: pytest.FixtureRequest) -> Any:
    """What the real cluster answered; while recording, what it answers now is written down."""
    from_real = bool(os.environ.get("RECORD_API_ANSWERS"))
    files: dict[str, dict[str, Any]] = {}

    def answers(file: str, name: str, found: list[Any]) -> Any:
        place = FOLDER / f"{file}.answers.yaml"
        if file not in files:
            files[file] = {} if from_real else yaml.safe_load(place.read_text())
        if from_real:
            files[file][name] = found
            place.write_text(yaml.safe_dump(files[file], sort_keys=False, width=118, allow_unicode=True))
        return files[file][name]

    return answers
