"""What becomes of an object follows from its owners alone."""

from __future__ import annotations

from typing import Any

import pytest

from pocket_cluster.api.objects import Object
from pocket_cluster.controllers.garbage_collector_decisions import Verdict, blocking, judge

ALIVE: Object = {"metadata": {"uid": "o"}}
WAITING: Object = {
    "metadata": {"uid": "o", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
}
ENDING: Object = {"metadata": {"uid": "o", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["mine"]}}
CHILD: Object = {"metadata": {"uid": "c"}}


def reference(number: int) -> Object:
    return {"uid": f"o{number}", "blockOwnerDeletion": True}


@pytest.mark.parametrize(
    ("owners", "dependents", "expected"),
    [
        ([ALIVE], [], Verdict([])),
        ([ENDING], [], Verdict([])),  # deleted in the background: it goes when the owner is gone
        ([None], [], Verdict(delete="Background")),
        ([None, None], [CHILD], Verdict(delete="Background")),
        ([None, ALIVE], [], Verdict([reference(0)])),
        ([WAITING, ALIVE], [], Verdict([reference(0)])),
        ([WAITING], [], Verdict(delete="Background")),
        ([WAITING], [CHILD], Verdict(delete="Foreground")),
        ([None, WAITING], [CHILD], Verdict(delete="Foreground")),
    ],
)
def test_an_object_goes_when_nobody_owns_it_any_more(
    owners: list[Object | None], dependents: list[Object], expected: Verdict
) -> None:
    references = [(reference(number), owner) for number, owner in enumerate(owners)]
    assert judge({"metadata": {}}, references, dependents) == expected


@pytest.mark.parametrize(("finalizer", "policy"), [("orphan", "Orphan"), ("foregroundDeletion", "Foreground")])
def test_an_object_that_was_to_go_in_a_certain_way_goes_in_that_way(finalizer: str, policy: str) -> None:
    obj = {"metadata": {"finalizers": [finalizer]}}
    assert judge(obj, [(reference(0), None)], []) == Verdict(delete=policy)


def test_only_dependents_that_say_so_block_their_owner() -> None:
    def child(**fields: Any) -> Object:
        return {"metadata": {"ownerReferences": [{"uid": "o", **fields}]}}

    blocks, does_not = child(blockOwnerDeletion=True), child()
    assert blocking(ALIVE, [blocks, does_not]) == [blocks]
