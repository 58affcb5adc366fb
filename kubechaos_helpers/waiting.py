"""Waiting for what the cluster is doing, and saying what it really shows when that takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kubechaos_helpers.api import ANYTHING, Api, Kind, Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.images import LOCAL

Object = dict[str, Any]
Objects = dict[str, Object]
# A watch is opened anew so often: a stop is noticed, and ages that are shown move on.
WINDOW_SECONDS = 1


def follow(
    api: Api, kind: Kind, namespace: str, selector: str, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Objects]:
    """The collection by name: now, after every change, and once a second, for ``seconds`` or until ``stopped``."""
    deadline = time.monotonic() + seconds
    path, query = kind.path(namespace), {"labelSelector": selector} if selector else {}
    version, seen = "", Objects()
    while time.monotonic() < deadline and not stopped():
        if not version:
            listed = api.request("GET", path, query)
            seen = {item["metadata"]["name"]: item for item in listed["items"]}
            version = listed["metadata"]["resourceVersion"]
        yield seen
        for event in api.watch(path, {**query, "resourceVersion": version}, WINDOW_SECONDS):
            version = _take_in(seen, event)
            if not version:
                break  # too old: list again
            yield seen
            if time.monotonic() > deadline:
                return


def _take_in(seen: Objects, event: Object) -> str:
    """Note an event; the revision to go on from, or ``""`` when the watch has failed."""
    if event["type"] == "ERROR":
        return ""
    metadata = event["object"]["metadata"]
    if event["type"] == "DELETED":
        seen.pop(metadata["name"], None)
    else:
        seen[metadata["name"]] = event["object"]
    return str(metadata["resourceVersion"])


def until(api: Api, kind: Kind, namespace: str, selector: str, done: Callable[[Objects], bool], seconds: float) -> bool:
    """Wait until ``done`` of the collection; whether that came in time. A watch tells, and an interrupt ends it."""
    try:
        return any(done(seen) for seen in follow(api, kind, namespace, selector, seconds))
    except KeyboardInterrupt:
        raise CourseError(
            "You interrupted the wait. The cluster goes on with what it does; run the cell again to wait for it."
        ) from None


def is_rolled_out(deployment: Object) -> bool:
    """Whether all pods are of the newest template and available, and the old ones are gone from the count."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 0)
    counts = {status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")}
    return is_observed(deployment) and counts == {wanted}


def is_observed(deployment: Object) -> bool:
    """Whether its controller has seen the newest version of a Deployment."""
    seen = (deployment.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= deployment["metadata"]["generation"])


def is_ready(obj: Object) -> bool:
    """Whether a pod or a node says that it is ready."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


# --- why something is late


def why_late(api: Api, namespace: str, deployments: Sequence[str], seconds: float) -> str:
    """Which of these Deployments are not ready, and what the pods of the first one show."""
    kind = api.kind("deployments")
    found = [api.find(kind.path(namespace, name)) for name in deployments]
    late = [each for each in found if each and not is_rolled_out(each)]
    names = ", ".join(each["metadata"]["name"] for each in late)
    why = why_not_ready(api, namespace, late[0]) if late else "It has become ready this moment: run the cell again."
    return f"Deployment {names or ', '.join(deployments)} is not ready after {seconds:.0f} s. {why}"


def why_not_ready(api: Api, namespace: str, deployment: Object) -> str:
    """What the pods of a Deployment really show: the first trouble found, with a next step."""
    selector = selector_of(deployment["spec"]["selector"])
    pods = api.request("GET", api.kind("pods").path(namespace), {"labelSelector": selector})["items"]
    if not pods:
        return _without_pods(deployment)
    for pod in (each for each in pods if not each["metadata"].get("deletionTimestamp")):
        trouble = trouble_of(api, namespace, pod)
        if trouble:
            return trouble
    return "Its pods have not become ready yet. Look at them with: kubectl get pods"


def selector_of(selector: Object) -> str:
    """A LabelSelector as list requests take it."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or []:
        values = f"({','.join(each.get('values') or [])})"
        by_operator = {"Exists": "{key}", "DoesNotExist": "!{key}", "In": "{key} in {values}"}
        words.append(by_operator.get(each["operator"], "{key} notin {values}").format(key=each["key"], values=values))
    return ",".join(words)


def _without_pods(deployment: Object) -> str:
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure":
            return f"No pod could be created: {condition['message']}"
    return "It has no pods yet. Look at what it says: kubectl describe deployment"


def trouble_of(api: Api, namespace: str, pod: Object) -> str:
    """What keeps a pod from being ready; ``""`` when nothing does."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"Pod {name} has no node: {condition.get('message', '')} See: kubectl describe pod {name}"
    for container in status.get("containerStatuses") or []:
        if not container.get("ready"):
            return _container_trouble(api, namespace, pod, container)
    return ""


def waits_for_image(pod: Object) -> bool:
    """Whether a container of a pod cannot have its image."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any("Image" in ((each.get("state") or {}).get("waiting") or {}).get("reason", "") for each in statuses)


def _container_trouble(api: Api, namespace: str, pod: Object, container: Object) -> str:
    name, state = pod["metadata"]["name"], container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if "Image" in reason and not container["image"].startswith(LOCAL):
        return (
            f"Pod {name} waits for the image {container['image']}, which its node cannot pull ({reason}):"
            f" {waiting.get('message', '')} Correct its name, or let the nodes read from that registry."
        )
    if "Image" in reason:
        return (
            f"Pod {name} waits for the image {container['image']} ({reason}): it was not built."
            f' Build it with cluster.build_image(FOLDER, "{container["image"]}").'
        )
    if reason == "CrashLoopBackOff" or "terminated" in state or container.get("restartCount"):
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        return (
            f"Pod {name} starts and ends again (exit code {ended.get('exitCode', 'unknown')}, restarted"
            f" {container.get('restartCount', 0)} times). The last line of its log: {last_line(api, namespace, pod)}"
        )
    if reason == "ContainerCreating" and (said := _last_event(api, namespace, pod)):
        return f"Pod {name} is still being prepared: {said}. See: kubectl describe pod {name}"
    if waiting.get("message"):
        return f"Pod {name} waits ({reason}): {waiting['message']}"
    if "running" in state:
        said = _last_event(api, namespace, pod, "Unhealthy")
        return f"Pod {name} runs, but is not ready: {said or 'its readiness probe has not succeeded yet'}."
    return ""


def last_line(api: Api, namespace: str, pod: Object) -> str:
    """The last line that the pod's program wrote, in its present or its last run."""
    path = api.kind("pods").path(namespace, pod["metadata"]["name"], "log")
    for query in ({"tailLines": "1"}, {"tailLines": "1", "previous": "true"}):
        try:
            text = str(api.request("GET", path, query, accept=ANYTHING)).strip()
        except Refused:
            continue
        if text:
            return text
    return "(empty)"


def _last_event(api: Api, namespace: str, pod: Object, reason: str = "") -> str:
    """The message of the last event about a pod, of that reason or of any."""
    of_it = f"involvedObject.uid={pod['metadata']['uid']}"
    query = {"fieldSelector": f"{of_it},reason={reason}" if reason else of_it}
    events = api.request("GET", api.kind("events").path(namespace), query)["items"]
    latest: Object = max(events, key=lambda event: str(event.get("lastTimestamp")), default={})
    return str(latest.get("message", "")).strip().rstrip(".")
