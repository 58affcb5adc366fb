"""Faults for practice: each breaks the lesson's Service in another way. Which one it was is not said."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from kubechaos_helpers import waiting
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.errors import CourseError

SERVICE, DEPLOYMENT, OTHER = "kubechaos-svc", "kubechaos-custom", "kubechaos-original"
# It is there from the moment when something was broken until ``catch_me_up``: a check that finds no trouble and no
# mark has nothing to praise.
MARK = "kubechaos-broken"
Change = dict[str, Any]


def wrong_selector(cluster: Cluster) -> None:
    """The Service looks for a label that no pod has."""
    _patch(cluster, "services", SERVICE, {"spec": {"selector": {"app": "kubechoas"}}})
    cluster.wait_until_served_by(SERVICE, 0)


def wrong_target_port(cluster: Cluster) -> None:
    """The Service sends visitors to a port where nobody listens."""
    ports = cluster.read("service", SERVICE)["spec"]["ports"]
    _patch(cluster, "services", SERVICE, {"spec": {"ports": [{**port, "targetPort": 3001} for port in ports]}})


def failing_readiness(cluster: Cluster) -> None:
    """One version's pods are asked for a page that they do not have."""
    probe = {"httpGet": {"path": "/ready", "port": 3000}, "periodSeconds": 1}
    _replace_pods(cluster, lambda container: {**container, "readinessProbe": probe})


def missing_image(cluster: Cluster) -> None:
    """One version is to run an image that nobody built."""
    _replace_pods(cluster, lambda container: cluster.placed({**container, "image": "local/kubechaos:v22"}))


FAULTS = (wrong_selector, wrong_target_port, failing_readiness, missing_image)


def break_something(cluster: Cluster, seed: int | None = None) -> None:
    """Break the lesson's Service in a way drawn at random; with the same ``seed`` it is the same way."""
    for kind, name in (("Deployment", OTHER), ("Deployment", DEPLOYMENT), ("Service", SERVICE)):
        if not any(name == each["metadata"]["name"] for each in cluster.objects(kind)):
            raise CourseError(f"There is no {kind} {name} to break. Run catch_me_up of this section first.")
    break_by(cluster, random.Random(seed).choice(FAULTS))
    print(f"Something is broken now: {SERVICE} no longer serves both versions. Find out why, and mend it.")


def break_by(cluster: Cluster, fault: Callable[[Cluster], None]) -> None:
    """Break it in this way, and note that something was broken."""
    mark = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MARK}}
    if not is_marked(cluster):
        cluster.api.request("POST", cluster.api.kind("configmaps").path(cluster.namespace), body=mark)
    fault(cluster)


def is_marked(cluster: Cluster) -> bool:
    """Whether something was broken since the section's start."""
    return cluster.api.find(cluster.api.kind("configmaps").path(cluster.namespace, MARK)) is not None


def _replace_pods(cluster: Cluster, change: Callable[[Change], Change]) -> None:
    """Change a Deployment's container, and leave none of its old pods: a rolling update would keep them serving."""
    deployment = cluster.read("deployment", DEPLOYMENT)
    spec = deployment["spec"]["template"]["spec"]
    template = {"spec": {"containers": [change(spec["containers"][0]), *spec["containers"][1:]]}}
    selector = waiting.selector_of(deployment["spec"]["selector"])
    _patch(cluster, "deployments", DEPLOYMENT, {"spec": {"replicas": 0}})
    cluster.wait_until_gone("pods", selector)
    replicas = max(1, deployment["spec"]["replicas"])
    _patch(cluster, "deployments", DEPLOYMENT, {"spec": {"replicas": replicas, "template": template}})


def _patch(cluster: Cluster, kind: str, name: str, change: Change) -> None:
    path = cluster.api.kind(kind).path(cluster.namespace, name)
    cluster.api.request("PATCH", path, None, change, "application/merge-patch+json")
