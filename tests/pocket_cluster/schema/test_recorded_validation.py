"""Each recorded request is answered as the real API server answered it: the same causes, or the same object."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket_cluster.api import resources
from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import schema

CASES = yaml.safe_load(Path(__file__).with_name("recorded_validation.yaml").read_text())
BY_KIND = {resource.kind: resource for resource in resources.ALL}
NAMESPACE = "recorded"


def received(resource: Resource, given: Object) -> Object:
    """The object as the API server has it once it is decoded and filled in."""
    obj, _ = schema.decode(resource, copy.deepcopy(given), "Strict")
    if resource.namespaced:
        obj.setdefault("metadata", {}).setdefault("namespace", NAMESPACE)
    schema.set_defaults(resource, obj)
    return obj


def create(case: dict[str, Any], resource: Resource) -> tuple[Object, list[schema.FieldError]]:
    obj = received(resource, case["object"])
    schema.prepare_for_create(resource, obj)
    return obj, schema.validate(resource, obj)


def update(case: dict[str, Any], resource: Resource) -> tuple[Object, list[schema.FieldError]]:
    old, new = received(resource, case["old"]), received(resource, case["object"])
    if not case.get("live"):
        schema.prepare_for_create(resource, old)
        old["metadata"] |= {"uid": "1", "creationTimestamp": "2026-01-02T03:04:05Z"}
    # An update without a version means the present one.
    new["metadata"]["resourceVersion"] = old["metadata"].setdefault("resourceVersion", "1")
    subresource = case.get("subresource", "")
    schema.prepare_for_update(resource, new, old, subresource)
    return new, schema.validate_update(resource, new, old, subresource)


def without_system_fields(obj: Object, is_update: bool) -> Object:
    obj = copy.deepcopy(obj)
    for field in ("uid", "creationTimestamp", "resourceVersion"):
        obj["metadata"].pop(field, None)
    if is_update:
        obj.pop("status", None)
    for condition in obj.get("status", {}).get("conditions", []):
        condition.pop("lastTransitionTime")
    return obj


def texts_of(headers: list[str]) -> list[str]:
    """The texts of Warning headers, without the one that the request's path alone causes."""
    texts = [json.loads(header.removeprefix("299 - ")) for header in headers]
    return [text for text in texts if not text.startswith("v1 Endpoints is deprecated")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_answer_is_the_real_one(case: dict[str, Any]) -> None:
    resource = BY_KIND[case["object"]["kind"]]
    obj, errors = (update if "old" in case else create)(case, resource)
    assert [error.cause for error in errors] == (case.get("causes") or [])
    if "served" in case:
        old = case.get("old")
        assert schema.warnings_for(resource, obj, old and received(resource, old)) == texts_of(case.get("warnings", []))
        assert without_system_fields(obj, "old" in case) == case["served"]


def test_there_are_enough_recordings_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert {case["object"]["kind"] for case in CASES} == set(BY_KIND)
