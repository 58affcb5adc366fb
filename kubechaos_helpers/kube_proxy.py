"""How the embedded kube-proxy chooses a pod, and how soon it follows a change: settings in a ConfigMap.

Other clusters' kube-proxies serve others too: they are waited for, and never switched.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import waiting
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.probe_job import NO_ANSWER

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

NAMESPACE, NAME = "kube-system", "kube-proxy"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MODE, PACE = "mode", "minSyncPeriod"
MODES = ("random", "round-robin")
# Where kube-proxy says which value of each setting it uses.
IN_USE = {MODE: "kube-proxy/mode-in-use", PACE: "kube-proxy/min-sync-period-in-use"}
FIRST = {MODE: "random", PACE: "0s"}
SECONDS = 60.0
LONGEST_PACE = 60
# What kube-proxy's minSyncPeriod is on clusters that do not say otherwise; a change takes it that long to follow.
USUAL_PACE_SECONDS = 1.0
# Visitors who together meet each of a few pods, how long they wait for a page, and how long one may be looked for.
VISITORS, PAGE_SECONDS, FOLLOW_SECONDS = 60, 4.0, 5.0


def balance(cluster: Cluster, mode: str) -> None:
    """Have it choose pods in another way; CourseError for an unknown one. One that serves others too stays as it is."""
    if mode not in MODES:
        raise CourseError(f"There is no mode {mode!r}. Choose one of: {', '.join(MODES)}.")
    if not cluster.is_own:
        print(
            f"The kube-proxy of {cluster.name} stays as it is: it serves others too. Cells that compare both ways show"
            " that on the pocket cluster, where KUBECHAOS_CLUSTER is not set."
        )
        return
    _show_and_use(cluster, {MODE: mode})
    print(f"kube-proxy chooses in mode {mode} now.")


def pace(cluster: Cluster, seconds: float) -> None:
    """Have it change its rules so many seconds apart at least. A kube-proxy that serves others too keeps its pace."""
    if not cluster.is_own:
        print(f"The kube-proxy of {cluster.name} keeps its own pace; the default is 1 second between two changes.")
        return
    if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_PACE:
        raise CourseError(f"kube-proxy cannot wait {seconds!r} seconds. Give a number from 0 to {LONGEST_PACE}.")
    _show_and_use(cluster, {PACE: f"{seconds:g}s"})
    print(f"kube-proxy changes its rules {'at once' if not seconds else f'{seconds:g} s apart at least'} now.")


def wait_until_followed(cluster: Cluster, service: str) -> None:
    """Wait until visitors of a Service meet exactly its ready pods, or a few seconds have passed.

    The embedded kube-proxy follows at once. A real one changes its rules a moment after the EndpointSlices.
    """
    if cluster.is_own:
        return
    spec = cluster.read("service", service)["spec"]
    if spec["type"] == "ClusterIP":
        return
    time.sleep(USUAL_PACE_SECONDS)
    deadline = time.monotonic() + FOLLOW_SECONDS
    while spec.get("sessionAffinity") != "ClientIP" and time.monotonic() < deadline:
        ready = {pod for _, pod, _, is_ready in cluster.endpoints(service) if is_ready}
        visitors = VISITORS if ready else 1
        met = cluster.start_probe(service, visitors=visitors, requests=1, keep_alive=False, timeout=PAGE_SECONDS).wait()
        wanted = set() if ready else {NO_ANSWER}  # a refusal, and not the silence of a pod that is gone
        is_as_listed = {visit.pod for visit in met.answered} == ready and set(met.errors) == wanted
        if is_as_listed and ready == {pod for _, pod, _, is_ready in cluster.endpoints(service) if is_ready}:
            return


def _show_and_use(cluster: Cluster, settings: dict[str, str]) -> None:
    cluster.show_command("-n", NAMESPACE, "patch", "configmap", NAME, "-p", json.dumps({"data": settings}))
    use(cluster, settings)


def use(cluster: Cluster, settings: dict[str, str]) -> None:
    """Change some of the settings and wait until kube-proxy uses them; CourseError when it does not."""
    api = cluster.api
    change = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": settings}
    if api.find(f"{CONFIG_MAPS}/{NAME}") is None:
        api.request("POST", CONFIG_MAPS, body=change)
    else:
        api.request("PATCH", f"{CONFIG_MAPS}/{NAME}", None, change, "application/merge-patch+json")
    wanted = {IN_USE[setting]: value for setting, value in settings.items()}

    def in_use(seen: waiting.Objects) -> bool:
        annotations: dict[str, Any] = seen[NAME]["metadata"].get("annotations") or {}
        return wanted.items() <= annotations.items()

    if not waiting.until(api, api.kind("configmaps"), NAMESPACE, "", in_use, SECONDS):
        raise cluster.waited_in_vain("kube-proxy did not take the setting. See: pocket-cluster logs kube-proxy")
