"""How a Service leads to pods at one moment: its selector, its EndpointSlices, and which pods match. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubechaos_helpers import phases
from kubechaos_helpers.phases import LISTED_READY
from kubechaos_helpers.printing import align
from kubechaos_helpers.visits import plural

Object = dict[str, Any]
# Made by the Deployment controller for its own use; on a drawing it would only be noise.
HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True)
class PodSeen:
    """A pod with what its labels have to do with the Service: ``differences`` are the labels that do not match."""

    name: str
    labels: Mapping[str, str]
    phase: str
    is_selected: bool
    differences: tuple[str, ...]
    listing: str
    address: str
    ports: tuple[int, ...]

    @property
    def version(self) -> str:
        return self.labels.get("version", "")

    @property
    def shown_labels(self) -> str:
        """The labels as kubectl writes them."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()) if key != HASH_LABEL)


@dataclass(frozen=True)
class Wiring:
    """A Service (``exists`` is False when there is none of that name) and the pods of its namespace."""

    service: str
    exists: bool
    selector: Mapping[str, str]
    ports: tuple[Mapping[str, Any], ...]
    pods: tuple[PodSeen, ...]

    @property
    def selected(self) -> list[PodSeen]:
        """The pods that match, and those that the EndpointSlices still list."""
        return [pod for pod in self.pods if pod.is_selected or pod.listing]

    @property
    def apart(self) -> list[PodSeen]:
        """The pods that have nothing to do with the Service."""
        return [pod for pod in self.pods if not pod.is_selected and not pod.listing]

    @property
    def shown_selector(self) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items())) or "<none>"

    def table(self) -> str:
        """One line a pod; ``""`` without pods."""
        rows = [("POD", "ADDRESS", "LABELS", "STATE", "MATCHES", "IN SLICE")]
        for pod in [*self.selected, *self.apart]:
            matches = "yes" if pod.is_selected else "no"
            texts = pod.name, pod.address or "<none>", pod.shown_labels or "<none>", pod.phase
            rows.append((*texts, matches, pod.listing or "no"))
        return align(rows) if self.pods else ""

    def reading(self) -> str:
        """How many pods the Service leads to, and what keeps the others away."""
        if not self.exists:
            return f"There is no Service {self.service}."
        if not self.selector:
            return f"Service {self.service} has no selector, so it finds no pods."
        matching = [pod for pod in self.pods if pod.is_selected]
        if not matching:
            return self._nobody()
        ready = sum(pod.listing == LISTED_READY for pod in self.pods)
        text = (
            f"Service {self.service} selects {self.shown_selector}: {len(matching)} of {len(self.pods)}"
            f" {plural(len(self.pods), 'pod')} {'matches' if len(matching) == 1 else 'match'},"
            f" and {ready} {'is' if ready == 1 else 'are'} ready in its EndpointSlice."
        )
        return text + self._port_trouble(matching)

    def _nobody(self) -> str:
        text = f"No pod matches Service {self.service}, which selects {self.shown_selector}"
        if not self.pods:
            return f"{text}: there are no pods."
        closest = min(self.pods, key=lambda pod: len(pod.differences))
        return f"{text}. The closest is {closest.name}: {', '.join(closest.differences)}."

    def _port_trouble(self, matching: list[PodSeen]) -> str:
        """A sentence about a target port that none of the matching pods declares, if they declare any."""
        declared = sorted({port for pod in matching for port in pod.ports})
        for port in self.ports:
            target = port.get("targetPort", port["port"])
            if declared and isinstance(target, int) and target not in declared:
                return f" It sends to port {target}, but the pods declare {', '.join(map(str, declared))}."
        return ""


def wire(name: str, service: Object | None, slices: Iterable[Object], pods: Iterable[Object]) -> Wiring:
    """What a Service leads to; ``service`` is None when there is none."""
    spec = (service or {}).get("spec") or {}
    selector: dict[str, str] = spec.get("selector") or {}
    listed = phases.listings(slices)
    seen = [_see(pod, selector, listed) for pod in pods]
    seen.sort(key=lambda pod: (pod.version, pod.shown_labels, pod.name))
    return Wiring(name, service is not None, selector, tuple(spec.get("ports") or ()), tuple(seen))


def _see(pod: Object, selector: Mapping[str, str], listed: Mapping[str, str]) -> PodSeen:
    name, labels = pod["metadata"]["name"], pod["metadata"].get("labels") or {}
    ports = (port for each in pod["spec"]["containers"] for port in each.get("ports") or [])
    return PodSeen(
        name=name,
        labels=labels,
        phase=phases.own_phase(pod),
        is_selected=phases.is_selected(pod, selector),
        differences=tuple(_difference(key, labels, selector) for key in selector if labels.get(key) != selector[key]),
        listing=listed.get(name, ""),
        address=(pod.get("status") or {}).get("podIP", ""),
        ports=tuple(port["containerPort"] for port in ports),
    )


def _difference(key: str, labels: Mapping[str, str], selector: Mapping[str, str]) -> str:
    return f"its {key} is {labels[key]}, not {selector[key]}" if key in labels else f"it has no label {key}"
