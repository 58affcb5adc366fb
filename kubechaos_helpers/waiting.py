"""Waiting for what the cluster is doing, and saying what it really shows when that takes too long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kubechaos_helpers.api import Api, Kind, Refused
from kubechaos_helpers.errors import CourseError

Object = dict[str, Any]
Objects = dict[str, Object]
WINDOW = 1


def follow(
    api: Api, kind: Kind, namespace: str, selector: str, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Objects]:
    """The collection now and after every change, by name, until ``seconds`` have passed or ``stopped``.

    The watch is opened anew every WINDOW seconds from where it was, so that a stop is noticed soon.
    """
    deadline = time.monotonic() + seconds
    path, query = kind.path(namespace), {"labelSelector": selector} if selector else {}
    while time.monotonic() < deadline and not stopped():
        listed = api.request("GET", path, query)
        seen = {item["metadata"]["name"]: item for item in listed["items"]}
        yield seen
        version = listed["metadata"]["resourceVersion"]
        while version and time.monotonic() < deadline and not stopped():
            watch = {**query, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(WINDOW)}
            for line in api.lines(path, watch, WINDOW + 5):
                event = json.loads(line)
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
    """Wait until ``done`` of the collection; whether that came in time. Nothing is polled: a watch tells."""
    return any(done(seen) for seen in follow(api, kind, namespace, selector, seconds))


def is_rolled_out(deployment: Object) -> bool:
    """Whether all pods are of the newest template and available, and the old ones are gone from the count."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 0)
    counts = {status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and counts == {wanted}


def why_not_ready(api: Api, namespace: str, deployment: Object) -> str:
    """What the pods of a Deployment really show: the first trouble found, with a next step."""
    selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
    pods = api.request("GET", api.kind("pods").path(namespace), {"labelSelector": selector})["items"]
    if not pods:
        return _without_pods(deployment)
    troubles = [text for pod in pods for text in _trouble(api, namespace, pod)]
    return troubles[0] if troubles else "Its pods have not become ready yet. Look at them with: kubectl get pods"


def _without_pods(deployment: Object) -> str:
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure":
            return f"No pod could be created: {condition['message']}"
    if not deployment["spec"].get("replicas"):
        return "It is scaled to 0 pods. Scale it up first."
    return "It has no pods yet."


def _trouble(api: Api, namespace: str, pod: Object) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"Pod {name} has no node: {condition.get('message', '')}"
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if "Image" in waiting.get("reason", ""):
            yield (
                f"Pod {name} waits for the image {container['image']} ({waiting['reason']}): it was not built."
                f' Build it with cluster.build_image(FOLDER, "{container["image"]}").'
            )
        elif waiting.get("reason") == "CrashLoopBackOff" or container.get("restartCount"):
            yield f"Pod {name} starts and ends again. The last line of its log: {last_line(api, namespace, pod)}"
        elif waiting.get("message"):
            yield f"Pod {name} waits ({waiting['reason']}): {waiting['message']}"
        elif not container.get("ready") and (container.get("state") or {}).get("running"):
            yield (
                f"Pod {name} runs, but is not ready: its readiness probe fails."
                f" kubectl describe pod {name} shows what the probe got."
            )


def last_line(api: Api, namespace: str, pod: Object) -> str:
    """The last line that the pod's program wrote, in its present or its last run."""
    path = api.kind("pods").path(namespace, pod["metadata"]["name"], "log")
    for query in ({"tailLines": "1"}, {"tailLines": "1", "previous": "true"}):
        try:
            text = str(api.request("GET", path, query, accept="text/plain")).strip()
        except Refused:
            continue
        if text:
            return text
    return "(empty)"


def missing(names: Sequence[str], found: Objects, namespace: str) -> CourseError:
    """The error for Deployments that do not exist."""
    absent = ", ".join(name for name in names if name not in found)
    there = ", ".join(sorted(found)) or "none"
    return CourseError(f"There is no Deployment {absent} in namespace {namespace}; there are: {there}. Apply it first.")
