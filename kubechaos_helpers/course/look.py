"""The live cluster as checks and hints see it: one moment, each kind read when it is first asked for."""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import Any

from kubechaos_helpers import kube_proxy, rollouts, waiting
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.visits import Visits

Object = dict[str, Any]
REQUESTS = 400
REAL_PACE = "1s"
# How long a program may take to listen after its pod has been listed.
LISTEN_SECONDS = 2.0


class Look:
    """What is there now. ``answer`` is what the learner gave to the check, if anything."""

    def __init__(self, cluster: Cluster, answer: Any = None, measured: dict[Any, Visits] | None = None) -> None:
        self.cluster, self.answer = cluster, answer
        self._measured: dict[Any, Visits] = {} if measured is None else measured
        self._read: dict[str, dict[str, Object]] = {}

    def again(self, anew: bool = False) -> Look:
        """A later moment. What was measured in a state that has not changed is not measured again, unless ``anew``."""
        return Look(self.cluster, self.answer, None if anew else self._measured)

    @cached_property
    def deployments(self) -> dict[str, Object]:
        return self._by_name("deployments")

    @cached_property
    def pods(self) -> dict[str, Object]:
        """Pods that are not ending."""
        return {name: pod for name, pod in self._by_name("pods").items() if "deletionTimestamp" not in pod["metadata"]}

    @cached_property
    def services(self) -> dict[str, Object]:
        return self._by_name("services")

    def _by_name(self, kind: str) -> dict[str, Object]:
        if kind not in self._read:
            self._read[kind] = {each["metadata"]["name"]: each for each in self.cluster.objects(kind)}
        return self._read[kind]

    def image(self, obj: Object) -> str:
        """The image that the first container of a pod or a template runs, by the name that manifests write."""
        return self.cluster.image_of(container(obj))

    def replicas(self, deployment: str) -> int:
        """How many pods a Deployment is to keep; 0 without one."""
        return int(self.deployments[deployment]["spec"]["replicas"]) if deployment in self.deployments else 0

    def is_rolled_out(self, deployment: str) -> bool:
        """Whether all pods of a Deployment's newest template are ready and no others are left."""
        return deployment in self.deployments and waiting.is_rolled_out(self.deployments[deployment])

    def is_settled(self) -> bool:
        """Whether all Deployments have what they want, no pod is ending, and the EndpointSlices know all that."""
        are_rolled_out = all(map(self.is_rolled_out, self.deployments))
        ending = any("deletionTimestamp" in pod["metadata"] for pod in self._by_name("pods").values())
        return are_rolled_out and not ending and all(map(self._knows, self.services))

    def state(self) -> dict[str, str]:
        """The revision of each Deployment, pod and Service: two looks that differ in it saw the cluster at work."""
        kinds = ("deployments", "pods", "services")
        return {
            f"{kind}/{name}": str(obj["metadata"]["resourceVersion"])
            for kind in kinds
            for name, obj in self._by_name(kind).items()
        }

    def _knows(self, service: str) -> bool:
        """Whether the ready pods behind a Service are those that it selects."""
        selector = self.services[service]["spec"].get("selector")
        selected = (
            {name for name, pod in self.pods_with(**selector).items() if waiting.is_ready(pod)} if selector else set()
        )
        return not selector or selected == {pod for pod, _, ready in self.behind(service) if ready}

    def why_not_ready(self, deployment: str) -> str:
        """What its pods show: the first trouble found, with a next step."""
        return waiting.why_not_ready(self.cluster.api, self.cluster.namespace, self.deployments[deployment])

    def pods_with(self, /, **labels: str) -> dict[str, Object]:
        """The pods that have all these labels."""
        return {name: pod for name, pod in self.pods.items() if labels.items() <= labels_of(pod).items()}

    def taken_out(self) -> dict[str, Object]:
        """The pods that a ReplicaSet made and that belong to none now."""
        return {
            name: pod
            for name, pod in self.pods.items()
            if "generateName" in pod["metadata"] and not pod["metadata"].get("ownerReferences")
        }

    def behind(self, service: str) -> list[tuple[str, str, bool]]:
        """(pod, version, ready) of every pod in a Service's EndpointSlices."""
        return [(pod, version, ready) for _, pod, version, ready in self.cluster.endpoints(service)]

    def ready_behind(self, service: str) -> list[str]:
        """The versions of the ready pods behind a Service, sorted."""
        return sorted(version for _, version, ready in self.behind(service) if ready)

    def visits(self, service: str, requests: int = REQUESTS, **options: Any) -> Visits:
        """What so many requests on connections of their own meet; measured once for the same pods behind a Service."""
        key = (service, requests, *sorted(options.items()), *self.behind(service))
        if key not in self._measured:
            kube_proxy.wait_until_followed(self.cluster, service)
            wanted = {"visitors": 1, "requests": requests, "keep_alive": False, **options}
            self._measured[key] = self.cluster.start_probe(service, **wanted).wait()
        return self._measured[key]

    def target_port(self, service: str) -> str:
        """Where a Service sends visitors: a number, the name of a container's port, or ``nowhere``."""
        ports = self.services[service]["spec"].get("ports") or [{}]
        return str(ports[0].get("targetPort", "nowhere"))

    def unanswered(self, service: str, requests: int = REQUESTS) -> str:
        """That some of so many requests get no answer, with a next step; ``""`` when all are answered.

        A pod without a readiness probe is listed before its program listens, so they may fail for a moment.
        """
        deadline = time.monotonic() + LISTEN_SECONDS
        while (visits := self.visits(service, requests)).errors:
            if time.monotonic() > deadline:
                port = self.target_port(service)
                return (
                    f"Ready pods are behind {service}, and yet visitors meet errors: {visits.reading()} They are sent"
                    f" to port {port}: do the programs listen there? See: kubectl describe service {service}"
                )
            self._measured = {key: each for key, each in self._measured.items() if each is not visits}
        return ""

    def visits_during_restart(self, deployment: str, service: str, **options: Any) -> Visits:
        """What visitors meet while a Deployment's pods are replaced; measured once for the same pods.

        The embedded kube-proxy keeps the pace of a real one meanwhile and afterwards.
        """
        template = {**self.deployments[deployment]["spec"]["template"]["spec"]}
        key = (deployment, service, json.dumps(template, sort_keys=True), *sorted(options.items()))
        if key not in self._measured:
            if self.cluster.is_own:
                kube_proxy.use(self.cluster, {kube_proxy.PACE: REAL_PACE})
            with self.cluster.under_load(service, **options) as load:
                rollouts.restart(self.cluster.api, self.deployments[deployment])
                self.cluster.wait_quietly([deployment])
            self._measured[key] = load.visits
        return self._measured[key]


def labels_of(obj: Object) -> dict[str, str]:
    """An object's labels."""
    return obj["metadata"].get("labels") or {}


def container(obj: Object) -> Object:
    """The first container of a pod or of a Deployment's template."""
    spec = obj["spec"].get("template", obj)["spec"]
    found: Object = spec["containers"][0]
    return found
