"""What the two controllers that list a Service's pods share: whom a Service selects, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocket_cluster.api.objects import (
    Object,
    condition,
    is_being_deleted,
    key,
    labels,
    name,
    namespace,
    pod_is_ready,
    uid,
)
from pocket_cluster.api.resources import PODS, SERVICES
from pocket_cluster.api.selectors import from_map
from pocket_cluster.controllers.controller import Controller


class TriggerTimes:
    """When what is told of a Service happened: the earliest change since the last look (trigger_time_tracker.go).

    A pod that is ready in the second in which it was not is a change as well: pods here are quick.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[str, bool]]] = {}

    def observe(self, service: Object, pods: Iterable[Object]) -> str:
        """The time to note on what is written now, ``""`` for none. Call it at every look."""
        created = str(service["metadata"].get("creationTimestamp", ""))
        times = {"": (created, True)}
        times |= {name(pod): (since, pod_is_ready(pod)) for pod in pods if (since := _ready_changed(pod))}
        before = self._known.get(uid(service))
        self._known[uid(service)] = times
        if before is None:
            return created
        changed = [time for who, time in times.items() if time > before.get(who, ("", False))]
        return min((since for since, _ in changed), default="")

    def forget(self, service: Object) -> None:
        self._known.pop(uid(service), None)


def _ready_changed(pod: Object) -> str:
    return str((condition(pod, "Ready") or {}).get("lastTransitionTime") or "")


class ServicePodsController(Controller):
    """Base of the two: told of Services and of the pods that they select."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.trigger_times = TriggerTimes()
        self.services = self.informers.of(SERVICES)
        self.pods = self.informers.of(PODS)
        self.services.add_handler(self._service_changed)
        self.pods.add_handler(self._pod_changed)

    def _service_changed(self, event: str, service: Object, _: Object | None) -> None:
        if event == "DELETED":
            self.trigger_times.forget(service)
        self.queue.add(key(service))

    def _pod_changed(self, event: str, pod: Object, old: Object | None) -> None:
        if event == "MODIFIED" and old and _shown(pod) == _shown(old):
            return
        for service in self.services.by_namespace(namespace(pod)):
            selector = from_map(service["spec"].get("selector"))
            if selector.matches(labels(pod)) or (old and selector.matches(labels(old))):
                self.queue.add(key(service))

    def lists_pods(self, service: Object) -> bool:
        """Whether this controller has to do with the Service: others are served by hand, or lead elsewhere."""
        return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"

    def selected_pods(self, service: Object) -> list[Object]:
        selector = from_map(service["spec"].get("selector"))
        return [pod for pod in self.pods.by_namespace(namespace(service)) if selector.matches(labels(pod))]


def _shown(pod: Object) -> tuple[Any, ...]:
    """All of a pod that a Service's endpoints can show (podEndpointsChanged)."""
    status, spec = pod.get("status") or {}, pod["spec"]
    address = (status.get("podIP"), status.get("phase"), spec.get("nodeName"))
    return (*address, labels(pod), is_being_deleted(pod), pod_is_ready(pod), _ready_changed(pod))
