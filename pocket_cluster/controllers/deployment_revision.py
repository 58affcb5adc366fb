"""Which ReplicaSet belongs to which edition of a Deployment's pod template, and how editions are numbered. Pure.

Rules: pkg/controller/deployment/util/deployment_util.go and sync.go (getNewReplicaSet, cleanupDeployment).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels,
    name,
    namespace,
    owner_reference,
    safe_hash,
)
from pocket_cluster.api.resources import DEPLOYMENTS
from pocket_cluster.controllers.deployment_size import observed, replica_count, set_sizes

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = (
    LAST_APPLIED,
    REVISION,
    REVISION_HISTORY,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
LONGEST_HISTORY = 2000  # characters
LONGEST_NAME = 253


def by_age(replica_sets: Sequence[Object]) -> list[Object]:
    """Oldest first; of those of the same second, by name."""
    return sorted(replica_sets, key=lambda each: (each["metadata"].get("creationTimestamp", ""), name(each)))


def find_new(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The oldest ReplicaSet whose template is the Deployment's, but for the hash (FindNewReplicaSet)."""
    wanted = _template_without_hash(deployment)
    return next((each for each in by_age(replica_sets) if _template_without_hash(each) == wanted), None)


def _template_without_hash(obj: Object) -> Object:
    template: Object = obj["spec"]["template"]
    metadata = template.get("metadata") or {}
    kept = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    # The API adds a null creationTimestamp to templates that it decodes; clients may leave it out.
    rest = {key: value for key, value in metadata.items() if key not in ("labels", "creationTimestamp")}
    return {**template, "metadata": {**rest, "labels": kept}}


def revision_of(obj: Object) -> int:
    """The edition's number; 0 when there is none that can be read."""
    try:
        return int(annotations_of(obj).get(REVISION, 0))
    except ValueError:
        return 0


def next_revision(old: Sequence[Object]) -> int:
    return max((revision_of(each) for each in old), default=0) + 1


def template_hash(deployment: Object) -> str:
    """Stable for a template; another one after each collision."""
    collisions = (deployment.get("status") or {}).get("collisionCount", 0)
    return safe_hash([deployment["spec"]["template"], collisions])


def new_replica_set(deployment: Object, old: Sequence[Object], replicas: int) -> Object:
    """The ReplicaSet of the present template, to be created."""
    digest = template_hash(deployment)
    template = copy.deepcopy(deployment["spec"]["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = digest
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
    created: Object = {
        "metadata": {
            "name": f"{name(deployment)[: LONGEST_NAME - 1 - len(digest)]}-{digest}",
            "namespace": namespace(deployment),
            "labels": dict(labels(template)),
            "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
            "selector": selector,
            "template": template,
        },
    }
    annotate(created, deployment, next_revision(old))
    set_sizes(created, deployment)
    return created


def brought_up_to_date(new: Object, deployment: Object, old: Sequence[Object]) -> Object:
    """The present ReplicaSet with the Deployment's annotations, minReadySeconds and its revision."""
    changed = copy.deepcopy(new)
    annotate(changed, deployment, next_revision(old))
    wait = deployment["spec"].get("minReadySeconds", 0)
    if changed["spec"].get("minReadySeconds", 0) != wait:
        changed["spec"]["minReadySeconds"] = wait
    return changed if changed != new else new


def annotate(replica_set: Object, deployment: Object, revision: int) -> None:
    """Copy what the Deployment says of itself, and raise the revision (SetNewReplicaSetAnnotations)."""
    copied = {key: value for key, value in annotations_of(deployment).items() if key not in NOT_COPIED}
    before = revision_of(replica_set)
    if before < revision:
        copied[REVISION] = str(revision)
        if before:
            copied[REVISION_HISTORY] = _history(annotations_of(replica_set).get(REVISION_HISTORY, ""), before)
    if copied:
        replica_set["metadata"]["annotations"] = {**annotations_of(replica_set), **copied}


def _history(known: str, revision: int) -> str:
    """The revisions that this ReplicaSet had, of which the oldest are forgotten when they become too many."""
    history = [*(each for each in known.split(",") if each), str(revision)]
    while len(",".join(history)) > LONGEST_HISTORY:
        history.pop(0)
    return ",".join(history)


def forgotten(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """The oldest editions beyond revisionHistoryLimit, if nothing runs from them any more."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    candidates = [each for each in by_age(old) if not is_being_deleted(each)]
    surplus = sorted(candidates, key=revision_of)[: max(0, len(candidates) - limit)]
    return [each for each in surplus if _is_empty(each)]


def _is_empty(replica_set: Object) -> bool:
    is_observed = observed(replica_set, "observedGeneration") >= replica_set["metadata"].get("generation", 1)
    return not replica_count(replica_set) and not observed(replica_set, "replicas") and is_observed
