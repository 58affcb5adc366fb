"""What belongs to the lesson on a cluster, and bringing it to a manifest's state from any other."""

from __future__ import annotations

from collections.abc import Iterator

from kubechaos_helpers import access, endpoints, kube_proxy, manifests, waiting
from kubechaos_helpers.api import Kind, Refused
from kubechaos_helpers.applying import annotated
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.files import shipped
from kubechaos_helpers.waiting import is_ready

Object = manifests.Object
APP = "kubechaos"
KINDS = ("Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap")
SECONDS = 90.0  # it only ends what is hopeless: a slow machine may take its time
AT_ONCE = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
MERGE = "application/merge-patch+json"


def bring_to(cluster: Cluster, manifest: str) -> None:
    """Have exactly the objects of a shipped manifest, ``""`` for none, as they are there, and ready.

    What is not the lesson's stays. CourseError when the Deployments do not become ready.
    """
    if cluster.is_own:
        kube_proxy.use(cluster, kube_proxy.FIRST)
        _let_pods_come(cluster)
    wanted = {manifests.identity(obj): obj for obj in manifests.load(shipped(manifest))} if manifest else {}
    for kind, obj in _of_the_lesson(cluster):
        if manifests.identity({**obj, "kind": kind}) not in wanted and not obj["metadata"].get("ownerReferences"):
            _remove(cluster, kind, obj["metadata"]["name"])
    for obj in wanted.values():
        _put(cluster, obj)
    _remove_troubled_pods(cluster)
    deployments = [obj for (kind, _), obj in wanted.items() if kind == "Deployment"]
    names = [obj["metadata"]["name"] for obj in deployments]
    cluster.wait_quietly(names, SECONDS)
    _forget_history(cluster)
    _wait_for_pods(cluster, sum(obj["spec"].get("replicas", 1) for obj in deployments))
    cluster.wait_quietly(names, SECONDS)  # what they say of themselves comes after their pods
    for obj in wanted.values():
        if obj["kind"] == "Service":
            _wait_for_visitors(cluster, obj)


def end(cluster: Cluster, remove_namespace: bool = False) -> None:
    """Remove everything that the lesson made; the learner's files and images stay.

    On a cluster that is not the embedded one, another learner may then have the namespace, unless it is removed too.
    """
    bring_to(cluster, "")
    print("The lesson's Deployments and Services are gone; your files and images are kept.")
    if not cluster.is_own:
        access.leave_place(cluster.api, cluster.namespace)
    if remove_namespace:
        access.remove_namespace(cluster.api, cluster.namespace)
        print(f"Namespace {cluster.namespace} is being removed.")


def _of_the_lesson(cluster: Cluster) -> Iterator[tuple[str, Object]]:
    for kind in KINDS:
        yield from ((kind, obj) for obj in cluster.objects(kind) if is_of_the_lesson(obj))


def is_of_the_lesson(obj: Object) -> bool:
    """Whether its name, its label, its selector or its template says so."""
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    template = (spec.get("template") or {}).get("metadata") or {}
    marked = (metadata.get("labels"), spec.get("selector"), template.get("labels"))
    return metadata["name"].startswith(APP) or any((each or {}).get("app") == APP for each in marked)


def _let_pods_come(cluster: Cluster) -> None:
    """Take back what keeps pods from nodes: ``kubectl cordon`` and ``kubectl taint``."""
    for node in cluster.objects("nodes"):
        if node["spec"].get("unschedulable") or node["spec"].get("taints"):
            path = cluster.api.kind("nodes").path("", node["metadata"]["name"])
            cluster.api.request("PATCH", path, None, {"spec": {"unschedulable": None, "taints": None}}, MERGE)


def _remove(cluster: Cluster, kind: str, name: str) -> None:
    """Delete an object, also one that a finalizer holds."""
    path = cluster.api.kind(kind).path(cluster.namespace, name)
    try:
        left = cluster.api.request("DELETE", path, body=AT_ONCE)
        if (left.get("metadata") or {}).get("finalizers"):
            cluster.api.request("PATCH", path, None, {"metadata": {"finalizers": None}}, MERGE)
    except Refused as refusal:
        if refusal.code != 404:  # somebody else was quicker
            raise


def _put(cluster: Cluster, obj: Object) -> None:
    """Have the object as the manifest says it: what was set beside that, by a patch for instance, goes."""
    kind = cluster.api.kind(obj["kind"])
    wanted = annotated(kind, cluster.namespace, cluster.placed(obj))
    live = cluster.api.find(kind.path(cluster.namespace, obj["metadata"]["name"]))
    is_ending = live is not None and "deletionTimestamp" in live["metadata"]
    if live is not None and (is_ending or not _replace(cluster, kind, wanted, live)):
        _remove(cluster, obj["kind"], obj["metadata"]["name"])
        live = None
    if live is None:
        cluster.api.request("POST", kind.path(cluster.namespace), {"fieldManager": "kubectl-client-side-apply"}, wanted)


def _replace(cluster: Cluster, kind: Kind, wanted: Object, live: Object) -> bool:
    """Whether the live object could be replaced: a selector, for instance, cannot."""
    body = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
    if kind.kind == "Service":
        body["spec"] = _with_addresses(wanted["spec"], live["spec"])
    if kind.kind == "Deployment":  # its controller writes to it all the time
        del body["metadata"]["resourceVersion"]
    options = {"fieldManager": "kubectl-client-side-apply"}
    try:
        cluster.api.request("PUT", kind.path(cluster.namespace, wanted["metadata"]["name"]), options, body)
    except Refused as refusal:
        if refusal.code not in (409, 422):
            raise
        return False
    return True


def _with_addresses(wanted: Object, live: Object) -> Object:
    """A Service's spec with the cluster IP and the node ports that it has."""
    node_ports = {port["port"]: port.get("nodePort") for port in live.get("ports") or []}
    ports = [{**port, "nodePort": node_ports.get(port["port"])} for port in wanted["ports"]]
    kept = [{name: value for name, value in port.items() if value is not None} for port in ports]
    return {**wanted, "clusterIP": live.get("clusterIP"), "clusterIPs": live.get("clusterIPs"), "ports": kept}


def _remove_troubled_pods(cluster: Cluster) -> None:
    """Pods that are ending, that keep failing, or that run an older build begin anew, or are gone, at once."""
    for pod in cluster.objects("pods"):
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        fails = any(each.get("restartCount") or (each.get("state") or {}).get("waiting") for each in statuses)
        troubled = fails or "deletionTimestamp" in pod["metadata"] or cluster.runs_older_build(pod)
        if is_of_the_lesson(pod) and troubled:
            _remove(cluster, "Pod", pod["metadata"]["name"])


def _forget_history(cluster: Cluster) -> None:
    """Remove the ReplicaSets of templates that no longer run: ``rollout undo`` finds what this section did."""
    for each in cluster.objects("replicasets"):
        if is_of_the_lesson(each) and not each["spec"]["replicas"]:
            _remove(cluster, "ReplicaSet", each["metadata"]["name"])


def _wait_for_pods(cluster: Cluster, number: int) -> None:
    """Wait until no other pods are left; those that a roll-out ended or a ReplicaSet released go at once."""

    def settled(seen: waiting.Objects) -> bool:
        there = [pod for pod in seen.values() if is_of_the_lesson(pod)]
        for pod in there:
            if "deletionTimestamp" in pod["metadata"] or not pod["metadata"].get("ownerReferences"):
                _remove(cluster, "Pod", pod["metadata"]["name"])
        return len(there) == number and all(map(is_ready, there))

    if not waiting.until(cluster.api, cluster.api.kind("pods"), cluster.namespace, "", settled, SECONDS):
        raise cluster.waited_in_vain(
            f"There are still other pods than the {number} of this section. See: kubectl get pods"
        )


def _wait_for_visitors(cluster: Cluster, service: Object) -> None:
    """Wait until the Service's EndpointSlices have its pods, and none that were there before."""
    selector = waiting.selector_of({"matchLabels": service["spec"]["selector"]})
    pods = [pod["metadata"]["name"] for pod in cluster.objects("pods", selector)]
    endpoints.wait_until_served_by(cluster, service["metadata"]["name"], len(pods), SECONDS, pods)
