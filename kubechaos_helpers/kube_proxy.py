"""How the embedded kube-proxy chooses a pod, and how soon it follows a change: settings in a ConfigMap."""

from __future__ import annotations

from typing import Any

from kubechaos_helpers import waiting
from kubechaos_helpers.api import Api
from kubechaos_helpers.errors import CourseError

NAMESPACE, NAME = "kube-system", "kube-proxy"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
MODE, PACE = "mode", "minSyncPeriod"
MODES = ("random", "round-robin")
# Where kube-proxy says which value of each setting it uses.
IN_USE = {MODE: "kube-proxy/mode-in-use", PACE: "kube-proxy/min-sync-period-in-use"}
FIRST = {MODE: "random", PACE: "0s"}
SECONDS = 10.0


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
