"""The parts of objects with a path of their own: scale, binding, eviction, a namespace's finalize."""

from __future__ import annotations

from dataclasses import replace

from pocket_cluster.api.objects import Object, is_being_deleted, name, now, set_condition
from pocket_cluster.api.resources import NAMESPACES, Resource
from pocket_cluster.apiserver import errors, patch, schema
from pocket_cluster.apiserver.deletion import Deleter, options_of
from pocket_cluster.apiserver.request import Body, Target
from pocket_cluster.apiserver.schema.field_errors import aggregate, invalid, not_supported, required
from pocket_cluster.apiserver.schema.validation.cluster import validate_finalizing
from pocket_cluster.apiserver.store import Entry
from pocket_cluster.apiserver.table_text import selector_text
from pocket_cluster.apiserver.write_options import WriteOptions
from pocket_cluster.apiserver.writing import WRONG_NAMESPACE, Writer, check_name, check_uid

SCALES = Resource("autoscaling", "v1", "scales", "Scale", True)
BINDINGS = Resource("", "v1", "bindings", "Binding", True)
EVICTIONS = Resource("policy", "v1", "evictions", "Eviction", True)
OLD_EVICTION = "policy/v1beta1"  # still read (pkg/apis/policy/v1beta1)
BOUND = Resource("", "v1", "pods/binding", "Pod", True)
BOUND_TO = ("Node", "<empty>")
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


def _about(resource: Resource, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Object:
    """The object in a body that is about the one that the path names; BadRequest when it is about another."""
    found, notes = schema.decode(resource, body.data, options.strictness, body.raw)
    warnings += notes
    metadata = found.get("metadata", {})
    if metadata.get("namespace", target.namespace) != target.namespace:
        raise errors.bad_request(WRONG_NAMESPACE)
    if metadata.get("name") != target.name:
        raise errors.bad_request(f"name in URL does not match name in {resource.kind} object")
    return found


async def bind(writer: Writer, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Object:
    """Give a pod its node (pkg/registry/core/pod/storage, BindingREST)."""
    to = _about(BINDINGS, target, body, options, warnings).get("target", {})
    problems = [] if to.get("kind", "Node") == "Node" else [not_supported("target.kind", to["kind"], BOUND_TO)]
    problems += [] if to.get("name") else [required("target.name", "")]
    if problems:
        raise errors.StatusError(500, "", aggregate(problems))
    node = to["name"]

    def bound(pod: Object) -> Object:
        current = pod["spec"].get("nodeName")
        if current:
            raise errors.conflict(BOUND, name(pod), f'pod {name(pod)} is already assigned to node "{current}"')
        if is_being_deleted(pod):
            raise errors.conflict(BOUND, name(pod), f"pod {name(pod)} is being deleted, cannot be assigned to a host")
        pod["spec"]["nodeName"] = node
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now()}
        status = pod.setdefault("status", {})
        status["conditions"] = set_condition(status.get("conditions") or [], scheduled)
        return pod

    await writer.change_unchecked(Target(target.kind, target.namespace, target.name, None), bound, options)
    return {**SUCCESS, "code": 201}


async def evict(deleter: Deleter, target: Target, body: Body, options: WriteOptions, warnings: list[str]) -> Object:
    """Delete a pod as ``kubectl drain`` asks for it; there are no disruption budgets to ask."""
    if isinstance(body.data, dict) and body.data.get("apiVersion") == OLD_EVICTION:
        body = Body({**body.data, "apiVersion": EVICTIONS.group_version}, body.content_type, body.raw)
    eviction = _about(EVICTIONS, target, body, options, warnings)
    how = options_of(eviction.get("deleteOptions", {}))
    await deleter.delete(target, replace(how, dry_run=how.dry_run or options.dry_run))
    return {**SUCCESS, "code": 201}


async def finalize_namespace(
    writer: Writer, target: Target, body: Body, options: WriteOptions, warnings: list[str]
) -> Entry:
    """Set ``spec.finalizers``: the namespace goes when none is left."""
    wanted, notes = schema.decode(NAMESPACES, body.data, options.strictness, body.raw)
    warnings += notes
    check_name(target, wanted)
    finalizers = wanted.get("spec", {}).get("finalizers") or []
    problems = validate_finalizing(wanted)
    if problems:
        raise errors.invalid(NAMESPACES, target.name or "", problems)

    def finalized(namespace: Object) -> Object:
        namespace["spec"] = {"finalizers": finalizers} if finalizers else {}
        return namespace

    return await writer.change_unchecked(target, finalized, options)
