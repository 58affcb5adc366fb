"""Whatever a client sends, decoding, defaulting and validation behave."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import schema
from pocket_cluster.apiserver.schema import DecodeError, Schema

TEXTS = st.sampled_from(["", "a", "A b", "1", "-x", "None", "ClientIP", "web.example.com/x", "é", "25%", "10.0.0.1"])
NUMBERS = st.integers(-5, 5) | st.sampled_from([80, 70000, 2**31 - 1])
QUANTITIES = st.sampled_from(["1", "250m", "64Mi", "-1", "1.5"])
TIMES = st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+01:00"])
MICRO_TIMES = st.sampled_from(["2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05.123456+01:00"])
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS, "int32": NUMBERS, "int64": NUMBERS, "bool": st.booleans(), "bytes": st.just("YQ=="),
    "time": TIMES, "micro-time": MICRO_TIMES, "quantity": QUANTITIES, "int-or-string": TEXTS | NUMBERS,
    "any": st.dictionaries(TEXTS, NUMBERS, max_size=1),
}  # fmt: skip
KINDS = pytest.mark.parametrize("resource", resources.ALL, ids=lambda resource: resource.kind)
SETTINGS = settings(max_examples=15)


def values(of: Schema, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a type: few fields, and fewer the deeper they are."""
    if of.kind == "struct":
        names = sorted(of.fields) if depth < 7 else []
        chosen = st.lists(st.sampled_from(names), max_size=4, unique=True) if names else st.just([])
        return chosen.flatmap(
            lambda keys: st.fixed_dictionaries({key: values(of.fields[key].schema, depth + 1) for key in keys})
        )
    if of.kind in ("list", "map"):
        assert of.items is not None
        items = st.deferred(lambda: values(of.items or of, depth + 1))
        return st.lists(items, max_size=2) if of.kind == "list" else st.dictionaries(TEXTS, items, max_size=2)
    return OTHERS[of.kind]


def objects(resource: Resource) -> st.SearchStrategy[Any]:
    return values(schema.definition_for(resource)).map(
        lambda found: {**found, "apiVersion": resource.group_version, "kind": resource.kind}
    )


@KINDS
@SETTINGS
@given(data=st.data())
def test_decoding_what_was_decoded_changes_nothing(resource: Resource, data: st.DataObject) -> None:
    obj, _ = schema.decode(resource, data.draw(objects(resource)), "Strict")
    again, _ = schema.decode(resource, copy.deepcopy(obj), "Strict")
    assert again == obj


@KINDS
@SETTINGS
@given(data=st.data())
def test_defaulting_twice_is_defaulting_once_and_leaves_a_decodable_object(
    resource: Resource, data: st.DataObject
) -> None:
    obj, _ = schema.decode(resource, data.draw(objects(resource)), "Strict")
    schema.set_defaults(resource, obj)
    once = copy.deepcopy(obj)
    schema.set_defaults(resource, obj)
    assert obj == once
    read_back, _ = schema.decode(resource, copy.deepcopy(once), "Strict")
    schema.set_defaults(resource, read_back)
    assert read_back == once


@KINDS
@SETTINGS
@given(data=st.data())
def test_validation_answers_whatever_can_be_decoded(resource: Resource, data: st.DataObject) -> None:
    old, new = (schema.decode(resource, data.draw(objects(resource)), "Strict")[0] for _ in range(2))
    for obj in (old, new):
        schema.set_defaults(resource, obj)
        schema.prepare_for_create(resource, obj)
        for error in schema.validate(resource, obj):
            assert error.cause["message"]
    for subresource in ("", "status"):
        changed = copy.deepcopy(new)
        schema.prepare_for_update(resource, changed, old, subresource)
        schema.validate_update(resource, changed, old, subresource)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "spec", "status", "data", "ports", "template", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@KINDS
@SETTINGS
@given(body=JSON)
def test_any_json_is_decoded_or_refused(resource: Resource, body: Any) -> None:
    with contextlib.suppress(DecodeError):
        obj, _ = schema.decode(resource, body, "Warn")
        assert obj["kind"] == resource.kind
