"""What a Deployment does next: which ReplicaSet it makes, which it scales, in which order. Pure.

Rules: pkg/controller/deployment (sync.go, rolling.go, recreate.go) and its util/deployment_util.go.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    labels,
    name,
    namespace,
    owner_reference,
    pod_is_active,
    safe_hash,
)
from pocket_cluster.api.resources import DEPLOYMENTS

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = (LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED, MAXIMUM, "deprecated.deployment.rollback.to")


@dataclass(slots=True)
class Step:
    """What to write now. After it the Deployment is looked at again."""

    create: Object | None = None
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    revision: str = ""  # to be noted on the Deployment
    new: Object | None = None  # the ReplicaSet of the present template, if there is one
    progress: tuple[str, str] | None = None  # reason and message of the condition Progressing

    def scale(self, replica_set: Object, replicas: int, deployment: Object) -> None:
        """Note that a ReplicaSet is to have so many replicas."""
        before = replica_count(replica_set)
        is_changed_already = any(each is replica_set for each in self.update)
        changed = replica_set if is_changed_already else copy.deepcopy(replica_set)
        changed["spec"]["replicas"] = replicas
        _set_sizes(changed, deployment)
        if changed != replica_set:
            self.update.append(changed)
        if replicas != before:
            direction = "up" if replicas > before else "down"
            text = f"Scaled {direction} replica set {name(replica_set)} from {before} to {replicas}"
            self.events.append(("ScalingReplicaSet", text))


# --- numbers


def replica_count(obj: Object) -> int:
    return int(obj["spec"].get("replicas", 0))


def _status(obj: Object, field: str) -> int:
    return int((obj.get("status") or {}).get(field, 0))


def _resolve(value: Any, total: int, round_up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        exact = total * int(value[:-1]) / 100
        return math.ceil(exact) if round_up else math.floor(exact)
    return int(value or 0)


def surge_and_unavailable(deployment: Object) -> tuple[int, int]:
    """How many pods more than wanted there may be, and how many fewer; both 0 would be a standstill."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling, replicas = strategy.get("rollingUpdate") or {}, replica_count(deployment)
    surge = _resolve(rolling.get("maxSurge", "25%"), replicas, round_up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _maximum(deployment: Object) -> int:
    return replica_count(deployment) + surge_and_unavailable(deployment)[0]


# --- which ReplicaSet is whose


def _template_without_hash(obj: Object) -> Object:
    template: Object = copy.deepcopy(obj["spec"]["template"])
    (template.get("metadata") or {}).get("labels", {}).pop(HASH_LABEL, None)
    return template


def _by_age(replica_sets: Sequence[Object]) -> list[Object]:
    return sorted(replica_sets, key=lambda each: (each["metadata"].get("creationTimestamp", ""), name(each)))


def find_new(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """The oldest ReplicaSet whose template is the Deployment's, but for the hash."""
    wanted = _template_without_hash(deployment)
    return next((each for each in _by_age(replica_sets) if _template_without_hash(each) == wanted), None)


def revision_of(obj: Object) -> int:
    try:
        return int(annotations_of(obj).get(REVISION, 0))
    except ValueError:
        return 0


def template_hash(deployment: Object) -> str:
    collisions = (deployment.get("status") or {}).get("collisionCount", 0)
    return safe_hash([deployment["spec"]["template"], collisions])


# --- the step


def next_step(deployment: Object, replica_sets: Sequence[Object], pods: Sequence[Object]) -> Step:
    """What to do now. ``pods`` are those of the old ReplicaSets (Recreate waits until they are gone)."""
    step = Step()
    new = find_new(deployment, replica_sets)
    old = [each for each in _by_age(replica_sets) if each is not new]
    is_paused = bool(deployment["spec"].get("paused"))
    recreates = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
    if new is not None:
        new = _refresh(step, deployment, new, old)
    step.new = new
    if is_paused or _was_resized(deployment, replica_sets):
        _scale(step, deployment, new, old)
        if is_paused:
            _clean_up(step, deployment, old)
        return step
    if recreates:
        _recreate(step, deployment, new, old, pods)
    else:
        _roll(step, deployment, new, old)
    if _is_complete(deployment, new):
        _clean_up(step, deployment, old)
    return step


def _is_complete(deployment: Object, new: Object | None) -> bool:
    status, wanted = deployment.get("status") or {}, replica_count(deployment)
    counts = {status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")}
    observed = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return new is not None and counts == {wanted} and observed


def _refresh(step: Step, deployment: Object, new: Object, old: Sequence[Object]) -> Object:
    """Bring the present ReplicaSet's annotations and minReadySeconds up to date; note its revision."""
    revision = max((revision_of(each) for each in old), default=0) + 1
    changed = copy.deepcopy(new)
    _annotate(changed, deployment, revision)
    wait = deployment["spec"].get("minReadySeconds", 0)
    if changed["spec"].get("minReadySeconds", 0) != wait:
        changed["spec"]["minReadySeconds"] = wait
    current = annotations_of(changed)[REVISION]
    if annotations_of(deployment).get(REVISION) != current:
        step.revision = current
    if not any(each["type"] == "Progressing" for each in (deployment.get("status") or {}).get("conditions") or []):
        step.progress = ("FoundNewReplicaSet", f'Found new replica set "{name(new)}"')
    if changed == new:
        return new
    step.update.append(changed)
    return changed


def _annotate(replica_set: Object, deployment: Object, revision: int) -> None:
    """Copy what the Deployment says of itself, and raise the revision (SetNewReplicaSetAnnotations)."""
    notes = replica_set["metadata"].setdefault("annotations", {})
    notes |= {key: value for key, value in annotations_of(deployment).items() if key not in NOT_COPIED}
    before = int(notes.get(REVISION, 0) or 0)
    if before < revision:
        notes[REVISION] = str(revision)
        if before:
            history = [each for each in notes.get(REVISION_HISTORY, "").split(",") if each]
            notes[REVISION_HISTORY] = ",".join([*history, str(before)])


def _set_sizes(replica_set: Object, deployment: Object) -> None:
    notes = replica_set["metadata"].setdefault("annotations", {})
    notes |= {DESIRED: str(replica_count(deployment)), MAXIMUM: str(_maximum(deployment))}


def _was_resized(deployment: Object, replica_sets: Sequence[Object]) -> bool:
    """Whether an active ReplicaSet still knows another size of the Deployment (isScalingEvent)."""
    active = [each for each in replica_sets if replica_count(each) > 0 and DESIRED in annotations_of(each)]
    return any(annotations_of(each)[DESIRED] != str(replica_count(deployment)) for each in active)


def _create(step: Step, deployment: Object, old: Sequence[Object]) -> None:
    """Make the ReplicaSet of the present template."""
    digest = template_hash(deployment)
    template = copy.deepcopy(deployment["spec"]["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = digest
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
    replicas = _size_of_new(deployment, old, 0)
    new: Object = {
        "metadata": {
            "name": f"{name(deployment)}-{digest}",
            "namespace": namespace(deployment),
            "labels": dict(labels({"metadata": template["metadata"]})),
            "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
            "selector": selector,
            "template": template,
        },
    }
    _annotate(new, deployment, max((revision_of(each) for each in old), default=0) + 1)
    _set_sizes(new, deployment)
    step.create = new
    step.revision = annotations_of(new)[REVISION]
    step.progress = ("NewReplicaSetCreated", f'Created new replica set "{name(new)}"')
    if replicas:
        text = f"Scaled up replica set {name(new)} from 0 to {replicas}"
        step.events.append(("ScalingReplicaSet", text))


def _size_of_new(deployment: Object, old: Sequence[Object], present: int) -> int:
    """How many pods the new ReplicaSet may have now (NewRSNewReplicas)."""
    wanted = replica_count(deployment)
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return wanted
    total = sum(map(replica_count, old)) + present
    room = _maximum(deployment) - total
    return present if room <= 0 else present + min(room, wanted - present)


# --- strategies


def _roll(step: Step, deployment: Object, new: Object | None, old: Sequence[Object]) -> None:
    """Grow the new one as far as the surge allows, else shrink the old ones as far as availability allows."""
    if new is None:
        _create(step, deployment, old)
        return
    present, wanted = replica_count(new), replica_count(deployment)
    size = wanted if present > wanted else _size_of_new(deployment, old, present)
    if size != present:
        step.scale(new, size, deployment)
        return
    _shrink_old(step, deployment, new, old)


def _shrink_old(step: Step, deployment: Object, new: Object, old: Sequence[Object]) -> None:
    if not sum(map(replica_count, old)):
        return
    least = replica_count(deployment) - surge_and_unavailable(deployment)[1]
    everybody = [*old, new]
    lacking = replica_count(new) - _status(new, "availableReplicas")
    room = sum(map(replica_count, everybody)) - least - lacking
    if room <= 0:
        return
    sizes = {name(each): replica_count(each) for each in old}
    for each in old:  # pods that do not work go first: nobody misses them
        unhealthy = min(room, sizes[name(each)] - _status(each, "availableReplicas"))
        if unhealthy > 0:
            sizes[name(each)] -= unhealthy
            room -= unhealthy
    spare = sum(_status(each, "availableReplicas") for each in everybody) - least
    for each in old:
        down = min(spare, sizes[name(each)])
        if down > 0:
            sizes[name(each)] -= down
            spare -= down
    for each in old:
        if sizes[name(each)] != replica_count(each):
            step.scale(each, sizes[name(each)], deployment)


def _recreate(
    step: Step, deployment: Object, new: Object | None, old: Sequence[Object], pods: Sequence[Object]
) -> None:
    """All old pods go before the first new one comes."""
    active = [each for each in old if replica_count(each)]
    for each in active:
        step.scale(each, 0, deployment)
    if active or any(pod_is_active(pod) or is_being_deleted(pod) for pod in pods):
        return
    if new is None:
        _create(step, deployment, old)
    elif replica_count(new) != replica_count(deployment):
        step.scale(new, replica_count(deployment), deployment)


def _scale(step: Step, deployment: Object, new: Object | None, old: Sequence[Object]) -> None:
    """Follow a change of size: the only active ReplicaSet alone, several in proportion."""
    wanted = replica_count(deployment)
    everybody = [*old, *([new] if new else [])]
    active = [each for each in everybody if replica_count(each)]
    if len(active) <= 1:
        only = active[0] if active else new or (old[-1] if old else None)
        if only is not None:
            step.scale(only, wanted, deployment)
        return
    if new is not None and _is_saturated(deployment, new):
        for each in old:
            if replica_count(each):
                step.scale(each, 0, deployment)
        return
    if (deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
        _scale_in_proportion(step, deployment, active)


def _is_saturated(deployment: Object, new: Object) -> bool:
    wanted = replica_count(deployment)
    return (
        replica_count(new) == wanted
        and annotations_of(new).get(DESIRED) == str(wanted)
        and _status(new, "availableReplicas") == wanted
    )


def _scale_in_proportion(step: Step, deployment: Object, active: list[Object]) -> None:
    """Share what is to be added or removed by size; the largest gets what rounding leaves."""
    allowed = _maximum(deployment) if replica_count(deployment) else 0
    difference = allowed - sum(map(replica_count, active))
    newest_first = list(reversed(_by_age(active)))
    ordered = sorted(newest_first if difference > 0 else _by_age(active), key=replica_count, reverse=True)
    sizes, left = {}, difference
    for each in ordered:
        share = _proportion(each, deployment, left) if difference else 0
        sizes[name(each)] = replica_count(each) + share
        left -= share
    sizes[name(ordered[0])] = max(0, sizes[name(ordered[0])] + left)
    for each in ordered:
        step.scale(each, sizes[name(each)], deployment)


def _proportion(replica_set: Object, deployment: Object, left: int) -> int:
    """A ReplicaSet's share of what is left to add or remove (GetReplicaSetProportion)."""
    if not replica_count(replica_set) or not left:
        return 0
    size, allowed = replica_count(replica_set), _maximum(deployment)
    before = int(annotations_of(replica_set).get(MAXIMUM, 0)) or max(1, _status(deployment, "replicas"))
    share = math.floor(size * allowed / before + 0.5) - size
    return min(share, left) if left > 0 else max(share, left)


def _clean_up(step: Step, deployment: Object, old: Sequence[Object]) -> None:
    """Forget the oldest revisions beyond revisionHistoryLimit."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return
    candidates = [each for each in old if not is_being_deleted(each)]
    for each in sorted(candidates, key=revision_of)[: max(0, len(candidates) - limit)]:
        is_observed = _status(each, "observedGeneration") >= each["metadata"].get("generation", 1)
        if not replica_count(each) and not _status(each, "replicas") and is_observed:
            step.delete.append(each)
