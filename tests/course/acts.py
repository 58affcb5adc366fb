"""What tests of exercises do to the cluster before a check looks: functions that make such acts, for every page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubechaos_helpers import Cluster
from kubechaos_helpers.files import shipped

Act = Callable[[Cluster], object]
# Of the fixture ``found``: an exercise, the section at whose start it begins (``""`` for an empty cluster), and an act.
Found = Callable[[str, str, Act], str]


def nothing(cluster: Cluster) -> None:
    """Leave the section's start as it is."""


def steps(*acts: Act) -> Act:
    """One after the other."""

    def act(cluster: Cluster) -> None:
        for each in acts:
            each(cluster)

    return act


def applied(manifest: str, *changes: tuple[str, str]) -> Act:
    """Apply a shipped manifest with words replaced."""

    def act(cluster: Cluster) -> None:
        text = shipped(manifest).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        cluster.apply(text)

    return act


def patched(kind: str, name: str, change: dict[str, Any]) -> Act:
    """What ``kubectl patch`` sends."""

    def act(cluster: Cluster) -> None:
        path = cluster.api.kind(kind).path(cluster.namespace, name)
        cluster.api.request("PATCH", path, None, change, "application/strategic-merge-patch+json")

    return act


def deleted(kind: str, name: str) -> Act:
    return lambda cluster: cluster.delete(kind, name)


def scaled(original: int, custom: int) -> Act:
    """So many pods of each version, all of them behind the Service."""

    def act(cluster: Cluster) -> None:
        cluster.scale("kubechaos-original", original)
        cluster.scale("kubechaos-custom", custom)
        cluster.wait_until_served_by("kubechaos-svc", original + custom)

    return act


def ready(*names: str, pods: int) -> Act:
    """The Deployments have what they want, and so many pods of the application are left."""

    def act(cluster: Cluster) -> None:
        cluster.wait_quietly(names)
        cluster.wait_until_gone("pods", selector="app=kubechaos", left=pods)

    return act


def rolled_out(cluster: Cluster) -> None:
    """Every Deployment has what it wants."""
    cluster.wait_quietly([each["metadata"]["name"] for each in cluster.objects("deployments")])
