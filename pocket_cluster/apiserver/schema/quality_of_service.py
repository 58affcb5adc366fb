"""The quality of service class of a pod, from what its containers request and are limited to."""

from __future__ import annotations

from pocket_cluster.api import quantity
from pocket_cluster.api.objects import Object

COMPUTE = ("cpu", "memory")


def quality_of_service(spec: Object) -> str:
    """``BestEffort``, ``Burstable`` or ``Guaranteed`` (pkg/apis/core/v1/helper/qos/qos.go)."""
    if spec.get("resources"):
        sources = [spec["resources"]]
    else:
        containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        sources = [container.get("resources") or {} for container in containers]
    amounts = [_amounts(source.get(kind)) for source in sources for kind in ("requests", "limits")]
    if not any(amounts):
        return "BestEffort"
    is_guaranteed = all(
        set(limits) == set(COMPUTE) and requests == limits
        for requests, limits in zip(amounts[::2], amounts[1::2], strict=True)
    )
    return "Guaranteed" if is_guaranteed else "Burstable"


def _amounts(listed: Object | None) -> dict[str, object]:
    """What is more than nothing, of what counts here."""
    found = {name: quantity.parse(text) for name, text in (listed or {}).items() if name in COMPUTE}
    return {name: amount for name, amount in found.items() if amount > 0}
