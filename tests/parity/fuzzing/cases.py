"""From a seed to requests: pure, so that a seed gives the same cases wherever they are sent."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import yaml

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema import definition_for

from . import mutations, questions
from .patches import CONTENT_TYPES, make_patch
from .vocabulary import BASES, Object, draw

BY_KIND = {resource.kind: resource for resource in resources.ALL}
SCALE = Resource("autoscaling", "v1", "scales", "Scale", True)
# What may be written for good in a spoilt form: nothing acts on it.
QUIET = {"ConfigMap", "Secret", "Endpoints", "EndpointSlice", "Event", "Lease"}
SCALABLE = {"Deployment", "ReplicaSet"}
WITH_STATUS = {"Deployment", "ReplicaSet", "Pod", "Service", "Node", "Namespace"}
STRICTNESS = {"Strict": 12, "Warn": 6, "Ignore": 3, "": 3, "nosuch": 1}
MANAGERS = {"one": 20, "": 1, "m" * 129: 1, "bad\x01": 1}


@dataclass(slots=True)
class Step:
    """One request. ``text`` is a body that is sent as it stands. ``until``: a path that the answer must have first."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    until: tuple[str, ...] = ()


class Case(NamedTuple):
    """Requests that belong together: what they ask about is made by the first of them."""

    name: str
    steps: list[Step]


def generate(seed: int, count: int) -> list[Case]:
    """The cases of a seed; each depends on the seed and its own number alone."""
    return [make_case(seed, number) for number in range(count)]


def namespace_of(seed: int) -> str:
    return f"fuzz-{seed}"


def make_case(seed: int, number: int) -> Case:
    random = Random(f"{seed}/{number}")
    make = random.choices(list(MAKERS), list(MAKERS.values()))[0]
    name, steps = make(Maker(random, namespace_of(seed), f"c{number}"))
    return Case(f"{seed}/{number} {name}", steps)


class Maker:
    """Makes the requests of one case."""

    def __init__(self, random: Random, namespace: str, name: str) -> None:
        self.random, self.namespace, self.name = random, namespace, name

    def base(self, kinds: set[str] | None = None) -> Object:
        """A valid object of a kind that is drawn evenly."""
        kind = self.random.choice(sorted(kinds or BY_KIND))
        base = self.random.choice([each for each in BASES if each["kind"] == kind])
        # Cluster-scoped names are shared with other seeds.
        name = self.name if BY_KIND[kind].namespaced else f"{self.namespace}-{self.name}"
        text = json.dumps(base).replace("{case}", name).replace("{namespace}", self.namespace)
        found: Object = json.loads(text)
        return found

    def path(self, obj: Object, subresource: str | None = None) -> str:
        return BY_KIND[obj["kind"]].path(self.namespace, obj["metadata"]["name"], subresource)

    def collection(self, obj: Object) -> str:
        return BY_KIND[obj["kind"]].path(self.namespace)

    def spoilt(self, obj: Object) -> Object:
        return mutations.spoil(self.random, definition_for(BY_KIND[obj["kind"]]), obj)

    def drawn(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def options(self, obj: Object, patch: str = "") -> dict[str, str]:
        """The query of a write."""
        query = {}
        if obj["kind"] not in QUIET or self.random.random() < 0.5:
            query["dryRun"] = "All"
        if self.random.random() < 0.5:
            query["fieldValidation"] = self.drawn(STRICTNESS)
        if patch == "apply" or self.random.random() < 0.1:
            query["fieldManager"] = self.drawn(MANAGERS)
        if self.random.random() < (0.3 if patch == "apply" else 0.03):
            query["force"] = self.random.choice(("true", "false", "nosuch"))
        return query

    def change(self, obj: Object, kind: str, path: str, before: Object, after: Object) -> Step:
        """A patch of a kind, or, without a kind, an update."""
        if not kind:
            return Step("PUT", path, self.options(obj), after)
        body, options = make_patch(self.random, kind, before, after), self.options(obj, kind)
        if "finalizers" in json.dumps(body):
            options["dryRun"] = "All"  # nobody would ever let the object go
        return Step("PATCH", path, options, body, headers={"Content-Type": CONTENT_TYPES[kind]})

    def created(self, obj: Object) -> list[Step]:
        """The object is made for good; what a controller writes at once is waited for."""
        steps = [Step("POST", self.collection(obj), body=obj)]
        if obj["kind"] in SCALABLE:
            steps.append(Step("GET", self.path(obj), until=("status", "observedGeneration")))
        if obj["kind"] == "Job":
            field = "conditions" if obj["spec"].get("suspend") else "startTime"
            steps.append(Step("GET", self.path(obj), until=("status", field)))
        return steps

    def left(self, obj: Object, step: Step) -> list[Step]:
        """What there is afterwards; and objects outside the namespace do not go with it."""
        steps = [] if "dryRun" in step.query or obj["kind"] not in QUIET else [Step("GET", self.path(obj))]
        return steps if BY_KIND[obj["kind"]].namespaced else [*steps, Step("DELETE", self.path(obj))]


Made = tuple[str, list[Step]]


def create(maker: Maker) -> Made:
    obj = maker.base()
    step = Step("POST", maker.collection(obj), maker.options(obj), maker.spoilt(obj))
    _in_other_form(maker.random, step)
    return f"create {obj['kind']}", [step]


def _in_other_form(random: Random, step: Step) -> None:
    """YAML, keys that are given twice, or another representation of the answer."""
    form = random.random()
    if form < 0.05:
        step.text = yaml.safe_dump(step.body)
        step.headers["Content-Type"] = "application/yaml"
    elif form < 0.1:
        step.text = _with_a_key_twice(random, json.dumps(step.body))
    elif form < 0.2:
        step.headers["Accept"] = draw(random, "forms")


def _with_a_key_twice(random: Random, text: str) -> str:
    """JSON in which some object begins with a key that it has again later."""
    starts = [index for index, letter in enumerate(text) if letter == "{" and text[index + 1] == '"']
    start = random.choice(starts) + 1
    key = text[start : text.index(":", start)]
    return f"{text[:start]}{key}: {random.choice(('null', '1', '{}'))}, {text[start:]}"


def update(maker: Maker) -> Made:
    obj = maker.base()
    new = maker.spoilt(obj)
    if maker.random.random() < 0.1 and isinstance(new.get("metadata"), dict):
        new["metadata"] |= draw(maker.random, "preconditions")
    step = Step("PUT", maker.path(obj), maker.options(obj), new)
    _in_other_form(maker.random, step)
    return f"update {obj['kind']}", [*maker.created(obj), step, *maker.left(obj, step)]


def update_of_missing(maker: Maker) -> Made:
    obj = maker.base()
    return f"update of a missing {obj['kind']}", [Step("PUT", maker.path(obj), questions.DRY, maker.spoilt(obj))]


def patch(maker: Maker) -> Made:
    obj = maker.base()
    kind = maker.random.choice(list(CONTENT_TYPES))
    step = maker.change(obj, kind, maker.path(obj), obj, maker.spoilt(obj))
    return f"{kind} patch {obj['kind']}", [*maker.created(obj), step, *maker.left(obj, step)]


def apply_new(maker: Maker) -> Made:
    """Server-side apply of what is not there; a quiet kind then again, by the same manager or another."""
    obj = maker.base()
    first = maker.change(obj, "apply", maker.path(obj), {}, copy.deepcopy(obj))
    first.query = {"fieldManager": "one"}
    if obj["kind"] not in QUIET:
        first.query |= questions.DRY
        first.body = maker.spoilt(obj)
        return f"apply a new {obj['kind']}", [first]
    second = maker.change(obj, "apply", maker.path(obj), obj, maker.spoilt(obj))
    second.query["fieldManager"] = maker.random.choice(("one", "two"))
    return f"apply {obj['kind']} twice", [first, second, Step("GET", maker.path(obj))]


def scale(maker: Maker) -> Made:
    obj = maker.base(SCALABLE)
    path, metadata = maker.path(obj, "scale"), {"name": maker.name, "namespace": maker.namespace}
    before = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {"replicas": 0}}
    after = mutations.spoil(maker.random, definition_for(SCALE), before)
    kind = maker.random.choice(("", *CONTENT_TYPES))
    step = maker.change(obj, kind, path, before, after)
    return f"scale {obj['kind']} {kind}", [*maker.created(obj), Step("GET", path), step]


def status(maker: Maker) -> Made:
    obj = maker.base(WITH_STATUS)
    schema = definition_for(BY_KIND[obj["kind"]]).fields["status"].schema
    after = obj | {"status": mutations.Inventor(maker.random).value(schema, "status")}
    if maker.random.random() < 0.3:
        after = maker.spoilt(after)
    kind = maker.random.choice(("", *CONTENT_TYPES))
    step = maker.change(obj, kind, maker.path(obj, "status"), obj, after)
    return f"status of {obj['kind']} {kind}", [*maker.created(obj), step, *maker.left(obj, step)]


def delete(maker: Maker) -> Made:
    obj = maker.base()
    query, body = questions.delete_options(maker.random)
    step = Step("DELETE", maker.path(obj), query, body)
    if maker.random.random() < 0.1:
        return f"delete a missing {obj['kind']}", [step]
    return f"delete {obj['kind']}", [*maker.created(obj), step, *maker.left(obj, Step("DELETE", ""))]


def _lettered(maker: Maker, obj: Object, letters: str) -> list[Step]:
    """Objects that selectors can tell apart."""
    steps = []
    for letter in letters:
        metadata = {
            "name": f"{maker.name}-{letter}",
            "labels": {"case": maker.name, "letter": letter, "app": maker.name},
        }
        steps += maker.created(obj | {"metadata": metadata})
    return steps


def delete_many(maker: Maker) -> Made:
    obj = maker.base(QUIET)
    query, body = questions.delete_options(maker.random)
    query |= questions.selectors(maker.random, maker.name)
    left = Step("GET", maker.collection(obj), {"labelSelector": f"case={maker.name}"})
    deletion = Step("DELETE", maker.collection(obj), query, body)
    return f"delete many of {obj['kind']}", [*_lettered(maker, obj, "ab"), deletion, left]


def read(maker: Maker) -> Made:
    obj = maker.base({kind for kind in BY_KIND if BY_KIND[kind].namespaced})
    steps, collection = _lettered(maker, obj, "abc"), maker.collection(obj)
    for _ in range(3):
        query, headers = questions.list_query(maker.random, maker.name)
        steps.append(Step("GET", collection, query, headers=headers))
        if "limit" in query:
            steps.append(Step("GET", collection, query | {"continue": "$continue"}, headers=headers))
    one = f"{collection}/{maker.name}-a"
    steps.append(Step("GET", one, questions.get_query(maker.random), headers=questions.accept(maker.random)))
    return f"read {obj['kind']}", steps


def misfit(maker: Maker) -> Made:
    obj = maker.base()
    method, path, text, content_type = questions.misfit(maker.random, obj, maker.path(obj), maker.collection(obj))
    step = Step(method, path, questions.DRY, text=text, headers={"Content-Type": content_type})
    return "a misfit", [step]


MAKERS: dict[Callable[[Maker], Made], int] = {
    create: 30,
    update: 18,
    patch: 22,
    update_of_missing: 3,
    apply_new: 6,
    scale: 3,
    status: 5,
    delete: 6,
    delete_many: 2,
    read: 7,
    misfit: 8,
}
