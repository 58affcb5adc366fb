"""The parts of objects with a path of their own: scale, binding, eviction, a namespace's finalize."""

from __future__ import annotations

from typing import Any

from pocket_cluster.api.objects import Object, is_being_deleted, name, now, set_condition
from pocket_cluster.api.selectors import from_label_selector_object
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.deletion import DeleteOptions, Deleter
from pocket_cluster.apiserver.request import Target, WriteOptions
from pocket_cluster.apiserver.schema.field_errors import invalid
from pocket_cluster.apiserver.store import Entry
from pocket_cluster.apiserver.writing import Writer

SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def scale_of(obj: Object) -> Object:
    """The Scale of a Deployment or ReplicaSet (pkg/registry/apps/deployment/storage)."""
    metadata = {
        field: obj["metadata"][field]
        for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if field in obj["metadata"]
    }
    selector = from_label_selector_object(obj["spec"].get("selector"))
    status: Object = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    if not selector.is_empty:
        status["selector"] = ",".join(
            sorted(f"{requirement.key}={next(iter(requirement.values))}" for requirement in selector.requirements)
        )
    spec = {"replicas": obj["spec"]["replicas"]} if obj["spec"].get("replicas") else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


async def update_scale(writer: Writer, target: Target, scale: Any, options: WriteOptions) -> Object:
    """Set the replicas that a Scale asks for; Conflict when its resourceVersion is old."""
    replicas = _wanted_replicas(scale, target)
    metadata = scale.get("metadata") or {}

    def scaled(current: Object) -> Object:
        current["spec"]["replicas"] = replicas
        for identity in ("resourceVersion", "uid"):
            if metadata.get(identity):
                current["metadata"][identity] = metadata[identity]
        return current

    whole = Target(target.kind, target.namespace, target.name, None)
    return scale_of((await writer.change(whole, scaled, options)).object)


def _wanted_replicas(scale: Any, target: Target) -> int:
    if not isinstance(scale, dict) or not isinstance(scale.get("spec", {}), dict):
        raise errors.bad_request("the body must be a Scale")
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        kind = "string" if isinstance(replicas, str) else "number"
        raise errors.bad_request(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal'
            f" {kind} into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        problem = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        text = f'Scale.autoscaling "{target.name}" is invalid: {problem}'
        details = {"name": target.name, "group": "autoscaling", "kind": "Scale", "causes": [problem.cause]}
        raise errors.StatusError(422, "Invalid", text, details)
    return replicas


async def bind(writer: Writer, target: Target, binding: Any, options: WriteOptions) -> Object:
    """Give a pod its node (pkg/registry/core/pod/storage, assignPod)."""
    node = ((binding or {}).get("target") or {}).get("name", "")
    if not node:
        raise errors.bad_request("binding.target.name must be given")

    def bound(pod: Object) -> Object:
        current = pod["spec"].get("nodeName")
        if current:
            why = f'pod {name(pod)} is already assigned to node "{current}"'
            raise errors.conflict(target.kind.resource, name(pod), why)
        if is_being_deleted(pod):
            why = f"pod {name(pod)} is being deleted, cannot be assigned to a host"
            raise errors.conflict(target.kind.resource, name(pod), why)
        pod["spec"]["nodeName"] = node
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now()}
        status = pod.setdefault("status", {})
        status["conditions"] = set_condition(status.get("conditions") or [], scheduled)
        return pod

    await writer.change_unchecked(Target(target.kind, target.namespace, target.name, None), bound, options)
    return {**SUCCESS, "code": 201}


async def evict(deleter: Deleter, target: Target, eviction: Any) -> Object:
    """Delete a pod as ``kubectl drain`` asks for it; there are no disruption budgets to ask."""
    options = (eviction or {}).get("deleteOptions") or {}
    await deleter.delete(target, DeleteOptions(options.get("gracePeriodSeconds")))
    return {**SUCCESS, "code": 201}


async def finalize_namespace(writer: Writer, target: Target, body: Any, options: WriteOptions) -> Entry:
    """Set ``spec.finalizers``: the namespace goes when none is left."""
    finalizers = ((body or {}).get("spec") or {}).get("finalizers") or []

    def finalized(namespace: Object) -> Object:
        namespace["spec"] = {"finalizers": finalizers} if finalizers else {}
        return namespace

    return await writer.change_unchecked(target, finalized, options)
