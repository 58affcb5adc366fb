"""The parts of objects with a path of their own: scale, binding, eviction, a namespace's finalize."""

from __future__ import annotations

from typing import Any

from pocket_cluster.api.objects import Object, is_being_deleted, name, now, set_condition
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver import errors, patch, schema
from pocket_cluster.apiserver.deletion import DeleteOptions, Deleter
from pocket_cluster.apiserver.request import Body, Target
from pocket_cluster.apiserver.schema.field_errors import invalid
from pocket_cluster.apiserver.store import Entry
from pocket_cluster.apiserver.table_text import selector_text
from pocket_cluster.apiserver.write_options import WriteOptions
from pocket_cluster.apiserver.writing import WRONG_NAMESPACE, Writer, check_name, check_uid

SCALES = Resource("autoscaling", "v1", "scales", "Scale", True)
SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def scale_of(obj: Object) -> Object:
    """The Scale of a Deployment or ReplicaSet (pkg/registry/apps/deployment/storage)."""
    metadata = {
        field: obj["metadata"][field]
        for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if field in obj["metadata"]
    }
    status: Object = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    selector = selector_text(obj["spec"].get("selector"))
    if selector != "<none>":
        status["selector"] = selector
    spec = {"replicas": obj["spec"]["replicas"]} if obj["spec"].get("replicas") else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def read_scale(body: Body, options: WriteOptions) -> tuple[Object, list[str]]:
    """The Scale in a body, and what is wrong with it that passes with a warning."""
    return schema.decode(SCALES, body.data, options.strictness)


def patch_scale(current: Object, body: Body, options: WriteOptions) -> tuple[Object, list[str]]:
    """The Scale that a patch makes of the present one."""
    # Only a resourceVersion that the patch itself names is compared (endpoints/handlers/patch.go retries).
    del current["metadata"]["resourceVersion"]
    return patch.apply_patch(SCALES, current, body, options.strictness)


async def update_scale(writer: Writer, target: Target, scale: Object, options: WriteOptions) -> Object:
    """Set the replicas that a Scale asks for; Conflict when its resourceVersion is old."""
    check_name(target, scale)
    if scale["metadata"].get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request(WRONG_NAMESPACE)
    replicas, metadata = _wanted_replicas(scale, target), scale["metadata"]

    def scaled(current: Object) -> Object:
        current["spec"]["replicas"] = replicas
        check_uid(target, scale, current, options.dry_run)
        if metadata.get("resourceVersion"):
            current["metadata"]["resourceVersion"] = metadata["resourceVersion"]
        return current

    whole = Target(target.kind, target.namespace, target.name, None)
    return scale_of((await writer.change(whole, scaled, options)).object)


def _wanted_replicas(scale: Object, target: Target) -> int:
    replicas = int(scale.get("spec", {}).get("replicas", 0))
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
