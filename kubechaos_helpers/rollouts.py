"""What ``kubectl rollout`` does to a Deployment: replace its pods, or go back to what it ran before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kubechaos_helpers.api import Api
from kubechaos_helpers.errors import CourseError

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart(api: Api, deployment: Object) -> None:
    """Have every pod replaced by a new one of the same kind (kubectl/pkg/polymorphichelpers/objectrestarter.go)."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    change = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}}
    api.request("PATCH", _path(api, deployment), None, change, "application/merge-patch+json")


def undo(api: Api, deployment: Object) -> None:
    """Go back to the template before the present one (kubectl/pkg/polymorphichelpers/rollback.go).

    CourseError when there was none.
    """
    earlier = history(api, deployment)[:-1]
    if not earlier:
        name = deployment["metadata"]["name"]
        raise CourseError(
            f"Deployment {name} has run one template only, so there is nothing to go back to."
            f" See: kubectl rollout history deployment/{name}"
        )
    template = earlier[-1]["spec"]["template"]
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key != HASH}
    wanted = {**template, "metadata": {**template["metadata"], "labels": labels}}
    patch = [{"op": "replace", "path": "/spec/template", "value": wanted}]
    api.request("PATCH", _path(api, deployment), None, patch, "application/json-patch+json")


def history(api: Api, deployment: Object) -> list[Object]:
    """A Deployment's ReplicaSets, one for each template that it ran, by revision: the last one is the present one."""
    own = deployment["metadata"]["uid"]
    found = api.request("GET", api.kind("replicasets").path(deployment["metadata"]["namespace"]))["items"]
    sets = [each for each in found if any(owner["uid"] == own for owner in _owners(each))]
    return sorted(sets, key=lambda each: int(each["metadata"]["annotations"].get(REVISION, 0)))


def _owners(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def _path(api: Api, deployment: Object) -> str:
    metadata = deployment["metadata"]
    return api.kind("deployments").path(metadata["namespace"], metadata["name"])
