"""Admission as a real API server has it by default, of what this cluster can honour.

NamespaceLifecycle, ServiceAccount, DefaultTolerationSeconds, Priority and TaintNodesByCondition (plugin/pkg/admission).
"""

from __future__ import annotations

from pocket_cluster.api.objects import Object, name
from pocket_cluster.api.resources import NAMESPACES
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_RESOURCE, Kind
from pocket_cluster.apiserver.store import Store

NAMESPACE_COLLECTION = BY_RESOURCE[NAMESPACES].collection
# The real API server forbids deleting these (plugin/pkg/admission/namespace/lifecycle).
IMMORTAL_NAMESPACES = ("default", "kube-system", "kube-public")
TOLERATION_SECONDS = 300
UNREACHABLE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def check_namespace(store: Store, kind: Kind, obj: Object) -> None:
    """NotFound when the object's namespace does not exist, Forbidden when it is being deleted."""
    if not kind.resource.namespaced:
        return
    wanted = obj["metadata"].get("namespace", "")
    found = store.get(NAMESPACE_COLLECTION, wanted)
    if found is None:
        raise errors.not_found(NAMESPACES, wanted)
    if found.object["metadata"].get("deletionTimestamp"):
        message = f"namespace {wanted} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        why = f"unable to create new content in namespace {wanted} because it is being terminated"
        raise errors.forbidden(kind.resource, name(obj), why, [cause])


def mutate_new(store: Store, kind: Kind, obj: Object) -> None:
    """Fill in what admission plugins give a new object."""
    if kind.resource.kind == "Pod":
        _complete_pod(obj.setdefault("spec", {}))
    if kind.resource.kind == "Node":
        _taint_node(obj.setdefault("spec", {}))
    if kind.resource.kind == "Namespace":
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name(obj)


def mutate_changed(kind: Kind, obj: Object, old: Object) -> None:
    """Fill in what admission plugins give an object that somebody replaced."""
    if kind.resource.kind != "Pod":
        return
    spec, before = obj.setdefault("spec", {}), old.get("spec") or {}
    for field in ("priority", "preemptionPolicy"):
        if field in before:
            spec.setdefault(field, before[field])
    _tolerate(spec)


def _complete_pod(spec: Object) -> None:
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _tolerate(spec)


def _tolerate(spec: Object) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for taint in UNREACHABLE:
        if not any(_tolerates(toleration, taint) for toleration in tolerations):
            rule = {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}
            tolerations.append(rule)


def _taint_node(spec: Object) -> None:
    """Nothing is placed on a new node until its conditions say that it is ready (plugin/pkg/admission/nodetaint)."""
    taint = {"key": UNREACHABLE[0], "effect": "NoSchedule"}
    if not any((each.get("key"), each.get("effect")) == tuple(taint.values()) for each in spec.get("taints") or []):
        spec["taints"] = [*(spec.get("taints") or []), taint]


def _tolerates(toleration: Object, taint: str) -> bool:
    return bool(toleration.get("key", taint) == taint) and toleration.get("effect", "NoExecute") == "NoExecute"


def check_delete(kind: Kind, name: str) -> None:
    """Forbidden for the namespaces that a cluster cannot be without."""
    if kind.resource is NAMESPACES and name in IMMORTAL_NAMESPACES:
        raise errors.forbidden(NAMESPACES, name, "this namespace may not be deleted")
