import json
from pathlib import Path
from typing import Any

import pytest

from kubechaos_helpers.api import Kind
from kubechaos_helpers.applying import LAST_APPLIED, annotated
from kubechaos_helpers.strategic_patch import Schema, schema_of, three_way_patch
from pocket_cluster.apiserver.schema import openapi_document

RECORDED = json.loads((Path(__file__).parent / "applies.json").read_text(encoding="utf-8"))
DEPLOYMENT = Kind("apps", "v1", "deployments", "deployment", "Deployment", True, frozenset())


@pytest.fixture(scope="module")
def schema() -> Schema:
    found = schema_of(json.loads(openapi_document("apis/apps/v1")), "apps", "v1", "Deployment")
    assert found
    return found


def in_any_order(value: Any) -> Any:
    """Lists of changes are sets: kubectl sorts them as it finds them. The order of elements is an order."""
    if isinstance(value, dict):
        return {
            key: inner if key.startswith("$setElementOrder") else in_any_order(inner) for key, inner in value.items()
        }
    return sorted(map(in_any_order, value), key=json.dumps) if isinstance(value, list) else value


@pytest.mark.parametrize("case", RECORDED["cases"], ids=range(len(RECORDED["cases"])))
def test_the_patch_is_the_one_that_kubectl_sent(schema: Schema, case: dict[str, Any]) -> None:
    wanted = annotated(DEPLOYMENT, RECORDED["namespace"], case["manifest"])
    before = json.loads(case["live"]["metadata"]["annotations"][LAST_APPLIED])
    patch = three_way_patch(before, wanted, case["live"], schema)
    assert in_any_order(patch) == in_any_order(case["patch"])


def test_what_others_have_set_in_a_list_stays(schema: Schema) -> None:
    container = {"name": "app", "image": "v1"}
    live = {**container, "env": [{"name": "SET_BY", "value": "kubectl set env"}], "imagePullPolicy": "IfNotPresent"}

    def deployment(*containers: dict[str, Any]) -> dict[str, Any]:
        return {"spec": {"template": {"spec": {"containers": list(containers)}}}}

    wanted = deployment({**container, "image": "v2"})
    assert three_way_patch(deployment(container), wanted, deployment(live), schema) == {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "app"}],
                    "containers": [{"name": "app", "image": "v2"}],
                }
            }
        }
    }


def test_an_unknown_kind_gets_a_json_merge_patch() -> None:
    before: dict[str, Any] = {"spec": {"size": 1, "old": True}}
    wanted = {"spec": {"size": 2, "parts": [{"name": "b"}]}}
    live = {"spec": {"size": 1, "old": True, "parts": [{"name": "a"}], "other": 1}}
    assert three_way_patch(before, wanted, live, Schema()) == {
        "spec": {"size": 2, "parts": [{"name": "b"}], "old": None}
    }


def test_the_annotation_is_written_as_go_writes_it() -> None:
    obj = {"metadata": {"name": "a", "labels": {"b": "<ü>"}}, "kind": "Deployment"}
    noted = annotated(DEPLOYMENT, "default", obj)["metadata"]["annotations"][LAST_APPLIED]
    assert noted == (
        r'{"kind":"Deployment","metadata":{"annotations":{},"labels":{"b":"\u003cü\u003e"},"name":"a",'
        '"namespace":"default"}}\n'
    )
