"""Required affinity of a pod to nodes and to other pods. Pure.

Rules: component-helpers, scheduling/corev1/nodeaffinity; pkg/scheduler/framework/plugins/interpodaffinity. Preferred
affinity only ranks nodes, which cannot matter where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pocket_cluster.api.objects import Object, labels, name, namespace
from pocket_cluster.api.selectors import from_label_selector_object

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# Nodes with the pods on them.
Places = Sequence[tuple[Object, Sequence[Object]]]


class AffinityRefusal(NamedTuple):
    reason: str
    others_are_in_the_way: bool


def selects_node(pod: Object, node: Object) -> bool:
    """Whether the node is one that the pod's required node affinity names; its terms are alternatives."""
    required = _part(pod, "nodeAffinity").get(REQUIRED)
    if not required:
        return True
    return any(_term_selects(term, node) for term in required.get("nodeSelectorTerms") or [])


def _term_selects(term: Object, node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    by_label = all(_holds(each, labels(node).get(each["key"])) for each in expressions)
    return by_label and all(_holds(each, name(node)) for each in fields)


def _holds(requirement: Object, value: str | None) -> bool:
    values = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    try:
        difference = int(value or "") - int(values[0])
    except ValueError:
        return False
    return difference > 0 if requirement["operator"] == "Gt" else difference < 0


def refuse_by_affinity(pod: Object, node: Object, places: Places) -> AffinityRefusal | None:
    """What other pods have to do with it: near whom it must be, whom it shuns, who shuns it."""
    near = _part(pod, "podAffinity").get(REQUIRED) or []
    if near and not all(_is_near(pod, term, node, places) for term in near) and not _is_first(pod, near, node, places):
        return AffinityRefusal("node(s) didn't match pod affinity rules", False)
    shunned = _part(pod, "podAntiAffinity").get(REQUIRED) or []
    if any(_is_near(pod, term, node, places) for term in shunned):
        return AffinityRefusal("node(s) didn't match pod anti-affinity rules", True)
    for there, pods in places:
        for other in pods:
            terms = _part(other, "podAntiAffinity").get(REQUIRED) or []
            if any(_same_topology(term, node, there) and _matches(other, term, pod) for term in terms):
                return AffinityRefusal("node(s) didn't satisfy existing pods anti-affinity rules", True)
    return None


def _is_near(pod: Object, term: Object, node: Object, places: Places) -> bool:
    return any(
        _same_topology(term, node, there) and any(_matches(pod, term, other) for other in pods)
        for there, pods in places
    )


def _is_first(pod: Object, terms: Sequence[Object], node: Object, places: Places) -> bool:
    """The first of pods that want to be near each other may go anywhere."""
    nobody = not any(_matches(pod, term, other) for term in terms for _, pods in places for other in pods)
    has_topology = all(term["topologyKey"] in labels(node) for term in terms)
    return nobody and has_topology and all(_matches(pod, term, pod) for term in terms)


def _same_topology(term: Object, one: Object, other: Object) -> bool:
    value = labels(one).get(term["topologyKey"])
    return value is not None and value == labels(other).get(term["topologyKey"])


def _matches(owner: Object, term: Object, pod: Object) -> bool:
    """Whether the term of ``owner`` speaks of ``pod``. Without namespaces it means its owner's own."""
    namespaces = term.get("namespaces") or []
    # A namespace selector, even an empty one, is taken to mean every namespace.
    in_scope = namespace(pod) in (namespaces or [namespace(owner)]) or term.get("namespaceSelector") is not None
    return in_scope and from_label_selector_object(term.get("labelSelector")).matches(labels(pod))


def _part(pod: Object, kind: str) -> dict[str, Any]:
    return (pod["spec"].get("affinity") or {}).get(kind) or {}
