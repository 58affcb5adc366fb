"""What a Deployment does next: which ReplicaSet it makes, which it scales, in which order. Pure.

Rules: pkg/controller/deployment (deployment_controller.go syncDeployment, sync.go, rolling.go, recreate.go).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from pocket_cluster.api.objects import Object, annotations_of, name
from pocket_cluster.controllers.deployment_revision import (
    REVISION,
    brought_up_to_date,
    by_age,
    find_new,
    forgotten,
    new_replica_set,
)
from pocket_cluster.controllers.deployment_size import (
    in_proportion,
    is_saturated,
    least_available,
    observed,
    recreates,
    replica_count,
    set_sizes,
    size_of_new,
    was_resized,
)


@dataclass(slots=True)
class Step:
    """What to write now. After it the Deployment is looked at again."""

    create: Object | None = None
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    events: list[str] = field(default_factory=list)  # of reason ScalingReplicaSet
    revision: str = ""  # to be noted on the Deployment
    new: Object | None = None  # the ReplicaSet of the present template, if there is one
    progress: tuple[str, str] | None = None  # reason and message of the condition Progressing
    is_rollout: bool = True  # progress is not estimated while a Deployment is paused or resized

    def scale(self, replica_set: Object, replicas: int, deployment: Object) -> Object:
        """Note that a ReplicaSet is to have so many replicas; the ReplicaSet as it will be then."""
        before = replica_count(replica_set)
        changed = copy.deepcopy(replica_set)
        changed["spec"]["replicas"] = replicas
        set_sizes(changed, deployment)
        if changed == replica_set:
            return replica_set
        self.change(changed)
        if replicas != before:
            direction = "up" if replicas > before else "down"
            self.events.append(f"Scaled {direction} replica set {name(changed)} from {before} to {replicas}")
        return changed

    def change(self, changed: Object) -> None:
        """Note a new state of a ReplicaSet, in place of one that was noted before."""
        self.update = [each for each in self.update if name(each) != name(changed)] + [changed]


def next_step(deployment: Object, replica_sets: Sequence[Object], pods: Sequence[Object]) -> Step:
    """What to do now. ``pods`` are those of the old ReplicaSets (Recreate waits until they are gone)."""
    step = Step()
    new = find_new(deployment, replica_sets)
    old = [each for each in by_age(replica_sets) if each is not new]
    if new is not None:
        new = _refresh(step, deployment, new, old)
    step.new = new
    is_paused = bool(deployment["spec"].get("paused"))
    if is_paused or was_resized(deployment, replica_sets):
        step.is_rollout = False
        _resize(step, deployment, new, old)
    elif recreates(deployment):
        _recreate(step, deployment, new, old, pods)
    else:
        _roll(step, deployment, new, old)
    if is_paused or (step.is_rollout and new is not None and not step.events and is_complete(deployment)):
        step.delete = forgotten(deployment, old)
    return step


def status_step(deployment: Object, replica_sets: Sequence[Object]) -> Step:
    """Nothing to do but to say how things stand: for a Deployment that is being deleted."""
    return Step(new=find_new(deployment, replica_sets), is_rollout=False)


def is_complete(deployment: Object, status: Object | None = None) -> bool:
    """Whether all pods are of the present edition and available, by ``status`` or else the Deployment's own."""
    told = deployment.get("status") or {} if status is None else status
    counts = {told.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")}
    is_observed = told.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    return counts == {replica_count(deployment)} and is_observed


def has_deadline(deployment: Object) -> bool:
    """Without progressDeadlineSeconds (or with the largest number) progress is not judged (HasProgressDeadline)."""
    return deployment["spec"].get("progressDeadlineSeconds") not in (None, 2**31 - 1)


def _refresh(step: Step, deployment: Object, new: Object, old: Sequence[Object]) -> Object:
    """Bring the present ReplicaSet's annotations and minReadySeconds up to date; note its revision."""
    changed = brought_up_to_date(new, deployment, old)
    revision = annotations_of(changed).get(REVISION, "")
    if annotations_of(deployment).get(REVISION) != revision:
        step.revision = revision
    known = [each["type"] for each in (deployment.get("status") or {}).get("conditions") or []]
    if has_deadline(deployment) and "Progressing" not in known:
        step.progress = ("FoundNewReplicaSet", f'Found new replica set "{name(new)}"')
    if changed is not new:
        step.change(changed)
    return changed


def _create(step: Step, deployment: Object, old: Sequence[Object]) -> None:
    """Make the ReplicaSet of the present template."""
    new = new_replica_set(deployment, old, size_of_new(deployment, old, 0))
    step.create = new
    step.revision = annotations_of(new)[REVISION]
    if has_deadline(deployment):
        step.progress = ("NewReplicaSetCreated", f'Created new replica set "{name(new)}"')
    if replica_count(new):
        step.events.append(f"Scaled up replica set {name(new)} from 0 to {replica_count(new)}")


def _roll(step: Step, deployment: Object, new: Object | None, old: Sequence[Object]) -> None:
    """Grow the new one as far as the surge allows, else shrink the old ones as far as availability allows."""
    if new is None:
        _create(step, deployment, old)
        return
    present, wanted = replica_count(new), replica_count(deployment)
    size = wanted if present > wanted else size_of_new(deployment, old, present)
    if size != present:
        step.new = step.scale(new, size, deployment)
    else:
        _shrink_old(step, deployment, new, [each for each in old if replica_count(each)])


def _shrink_old(step: Step, deployment: Object, new: Object, old: list[Object]) -> None:
    """First the pods that do not work, whom nobody misses; then as many as availability allows, oldest first."""
    least = least_available(deployment)
    lacking = replica_count(new) - observed(new, "availableReplicas")
    room = sum(map(replica_count, [*old, new])) - least - lacking
    if not old or room <= 0:
        return
    for index, each in enumerate(old):
        unhealthy = min(room, replica_count(each) - observed(each, "availableReplicas"))
        if unhealthy > 0:
            old[index] = step.scale(each, replica_count(each) - unhealthy, deployment)
            room -= unhealthy
    spare = sum(observed(each, "availableReplicas") for each in [*old, new]) - least
    for each in old:
        down = min(spare, replica_count(each))
        if down > 0:
            step.scale(each, replica_count(each) - down, deployment)
            spare -= down


def _recreate(
    step: Step, deployment: Object, new: Object | None, old: Sequence[Object], pods: Sequence[Object]
) -> None:
    """All old pods go before the first new one comes."""
    active = [each for each in old if replica_count(each)]
    for each in active:
        step.scale(each, 0, deployment)
    if active or any(observed(each, "replicas") for each in old) or any(map(_may_run, pods)):
        return
    if new is None:
        _create(step, deployment, old)
    elif replica_count(new) != replica_count(deployment):
        step.new = step.scale(new, replica_count(deployment), deployment)


def _may_run(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _resize(step: Step, deployment: Object, new: Object | None, old: Sequence[Object]) -> None:
    """Follow a change of size: the only active ReplicaSet alone, several in proportion (sync.go, scale)."""
    everybody = by_age([*old, *([new] if new else [])])
    active = [each for each in everybody if replica_count(each)]
    if len(active) <= 1:
        only = active[0] if active else new or (old[-1] if old else None)
        sizes = {name(only): replica_count(deployment)} if only else {}
    elif is_saturated(deployment, new):
        sizes = {name(each): 0 for each in active if each is not new}
    elif recreates(deployment):
        sizes = {}
    else:
        sizes = in_proportion(deployment, active)
    for each in everybody:
        if name(each) in sizes:
            changed = step.scale(each, sizes[name(each)], deployment)
            step.new = changed if each is new else step.new
