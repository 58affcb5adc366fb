"""What the Scale of a workload says."""

import pytest

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.subresources import scale_of


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}, "a in (x,y)"),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, "a=1,!b"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, "a notin (x)"),
    ],
)
def test_the_scale_writes_every_selector_as_a_text(selector: Object, text: str) -> None:
    workload = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": selector}}
    assert scale_of(workload)["status"] == {"replicas": 0, "selector": text}
