"""How the embedded kube-proxy chooses a pod, and how soon it follows a change: settings in a ConfigMap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import waiting
from kubechaos_helpers.api import Api
from kubechaos_helpers.errors import CourseError

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

NAMESPACE, NAME = "kube-system", "kube-proxy"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MODE, PACE = "mode", "minSyncPeriod"
MODES = ("random", "round-robin")
# Where kube-proxy says which value of each setting it uses.
IN_USE = {MODE: "kube-proxy/mode-in-use", PACE: "kube-proxy/min-sync-period-in-use"}
FIRST = {MODE: "random", PACE: "0s"}
SECONDS = 10.0
LONGEST_PACE = 60


def balance(cluster: Cluster, mode: str) -> None:
    """Have it choose pods in another way; CourseError for an unknown one, and where kube-proxy serves others too."""
    if not cluster.is_own:
        raise CourseError(
            f"The kube-proxy of {cluster.name} is not this course's to switch: it serves others too. The cells that"
            " compare both ways run on the embedded cluster, where KUBECHAOS_CLUSTER is not set."
        )
    if mode not in MODES:
        raise CourseError(f"There is no mode {mode!r}. Choose one of: {', '.join(MODES)}.")
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


def _show_and_use(cluster: Cluster, settings: dict[str, str]) -> None:
    cluster.show_command("-n", NAMESPACE, "patch", "configmap", NAME, "-p", json.dumps({"data": settings}))
    use(cluster.api, settings)


def use(api: Api, settings: dict[str, str]) -> None:
    """Change some of the settings and wait until kube-proxy uses them; CourseError when it does not."""
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
        raise CourseError("kube-proxy did not take the setting. See what it says: pocket-cluster logs kube-proxy")
