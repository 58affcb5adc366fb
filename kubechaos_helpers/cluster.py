"""The cluster as a notebook sees it: kubectl's verbs as methods. Each shows the kubectl command that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import address, manifests, printing, waiting
from kubechaos_helpers.api import TABLE, Api, Kind, Refused
from kubechaos_helpers.course.files import mine, shipped
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.running_probe import RunningProbe, job_for
from kubechaos_helpers.visits import Visits

if TYPE_CHECKING:
    from kubechaos_helpers.live import LiveTable
    from kubechaos_helpers.sliders import ReplicaSliders

Object = dict[str, Any]
# Builds an image from a folder and returns its digest; None where the cluster has its own way.
Builder = Callable[[Path, str], str]
DELETE_SECONDS = 60.0
POD_VERSION = "version"


class Cluster:
    """One namespace of one cluster. ``connect()`` makes it."""

    def __init__(self, api: Api, namespace: str, name: str, builder: Builder | None = None) -> None:
        self.api, self.namespace, self.name = api, namespace, name
        self._builder = builder

    def __repr__(self) -> str:
        return f"{self.name}, namespace {self.namespace}"

    # --- looking

    def get(self, what: str, name: str = "", selector: str = "", output: str = "", labels: str = "") -> None:
        """Print what ``kubectl get`` prints. ``output`` is ``""`` or ``wide``; ``labels`` are columns as with -L."""
        options = {"-l": selector, "-o": output, "-L": labels}
        words = [word for option, value in options.items() if value for word in (option, value)]
        printing.command("kubectl", "get", what, name, *words)
        kinds = [self.api.kind(each) for each in what.split(",")]
        texts = [self._table(kind, name, selector, output == "wide", labels, len(kinds) > 1) for kind in kinds]
        shown = [text for text in texts if text]
        print("\n\n".join(shown) if shown else f"No resources found in {self.namespace} namespace.")

    def _table(self, kind: Kind, name: str, selector: str, wide: bool, labels: str, several: bool) -> str:
        query = {"labelSelector": selector} if selector else {}
        answer = self.api.request("GET", kind.path(self.namespace, name), query, accept=TABLE)
        columns = [label for label in labels.split(",") if label]
        prefix = f"{kind.full_name}/" if several else ""
        return printing.table(answer, wide, columns, prefix) if answer.get("rows") else ""

    def read(self, kind: str, name: str) -> Object:
        """One object as the API has it, without a word."""
        found: Object = self.api.request("GET", self.api.kind(kind).path(self.namespace, name))
        return found

    def objects(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind that a label selector matches."""
        query = {"labelSelector": selector} if selector else {}
        found: list[Object] = self.api.request("GET", self.api.kind(kind).path(self.namespace), query)["items"]
        return found

    def logs(self, pod: str, lines: int = 20) -> None:
        """Print the last lines that a pod's program wrote."""
        printing.command("kubectl", "logs", pod, f"--tail={lines}")
        path = self.api.kind("pods").path(self.namespace, pod, "log")
        print(self.api.request("GET", path, {"tailLines": str(lines)}, accept="text/plain"), end="")

    def watch(self, what: str = "pods", selector: str = "", seconds: float = 60.0) -> LiveTable:
        """A table that follows the pods until all are ready, ``seconds`` have passed, or Stop is pressed."""
        from kubechaos_helpers.live import LiveTable

        return LiveTable(self, what, selector, seconds)

    # --- changing

    def apply(self, manifest: Path | str) -> None:
        """Create or change every object of a manifest. What is wrong with one of them does not stop the others."""
        printing.command("kubectl", "apply", "-f", "-" if "\n" in str(manifest) else _short(manifest))
        troubles = []
        for obj in manifests.load(manifest):
            kind = self.api.kind_of(obj["apiVersion"], obj["kind"])
            name = obj["metadata"]["name"]
            try:
                outcome = manifests.apply(self.api, self.namespace, obj)
            except Refused as refusal:
                troubles.append(f"{obj['kind']} {name} was refused: {refusal.message}.{advice(refusal)}")
            except CourseError as error:
                troubles.append(f"{obj['kind']} {name} was not applied: {error}")
            else:
                print(f"{kind.full_name if kind else obj['kind']}/{name} {outcome}")
        if troubles:
            raise CourseError("\n".join(troubles))

    def delete(self, what: str | Path, name: str = "") -> None:
        """Delete one object, or every object of a manifest, and wait until it is gone."""
        if name:
            printing.command("kubectl", "delete", str(what), name)
            self._delete(self.api.kind(str(what)), name)
            return
        printing.command("kubectl", "delete", "-f", _short(what))
        for obj in manifests.load(what):
            kind = self.api.kind_of(obj["apiVersion"], obj["kind"])
            if kind:
                self._delete(kind, obj["metadata"]["name"])

    def _delete(self, kind: Kind, name: str) -> None:
        path = kind.path(self.namespace, name)
        try:
            self.api.request("DELETE", path, body={"propagationPolicy": "Background"})
        except Refused as refusal:
            if refusal.code != 404:
                raise
            there = ", ".join(each["metadata"]["name"] for each in self.objects(kind.plural)) or "none"
            raise CourseError(f"There is no {kind.kind} {name} to delete; there are: {there}.") from None
        gone = waiting.until(self.api, kind, self.namespace, "", lambda seen: name not in seen, DELETE_SECONDS)
        if not gone:
            raise CourseError(f"{kind.kind} {name} is still being deleted after {DELETE_SECONDS:.0f} s.")
        print(f'{kind.full_name} "{name}" deleted from {self.namespace} namespace')

    def scale(self, deployment: str, replicas: int) -> None:
        """Set how many pods a Deployment keeps."""
        printing.command("kubectl", "scale", "deployment", deployment, f"--replicas={replicas}")
        self.set_replicas(deployment, replicas)
        print(f"deployment.apps/{deployment} scaled")

    def set_replicas(self, deployment: str, replicas: int) -> None:
        """The same without a word."""
        path = self.api.kind("deployments").path(self.namespace, deployment, "scale")
        try:
            self.api.request("PATCH", path, None, {"spec": {"replicas": replicas}}, "application/merge-patch+json")
        except Refused as refusal:
            raise CourseError(f"Deployment {deployment} was not scaled: {refusal.message}.") from None

    def build_image(self, context: str | Path, name: str) -> None:
        """Build an image. ``original`` and ``custom`` are the course's own contexts, ``custom`` the learner's copy."""
        if self._builder is None:
            raise CourseError(
                f"{self.name} does not build images here. Build {name} where the cluster finds it, for instance with:"
                f" minikube image build -t {name} -f Containerfile {context}"
            )
        folder = _context(context)
        printing.command("pocket-cluster", "build", _short(folder), name)
        self._builder(folder, name)
        print(f"Built {name}.")

    # --- waiting

    def wait_until_ready(self, *deployments: str, timeout: float = 60.0) -> None:
        """Wait until Deployments are rolled out and available; says what the pods show when they are not in time."""
        kind = self.api.kind("deployments")

        def done(seen: waiting.Objects) -> bool:
            if set(deployments) - set(seen):
                raise waiting.missing(deployments, seen, self.namespace)
            return all(waiting.is_rolled_out(seen[name]) for name in deployments)

        if not waiting.until(self.api, kind, self.namespace, "", done, timeout):
            late = [name for name in deployments if not waiting.is_rolled_out(self.read("deployment", name))]
            why = waiting.why_not_ready(self.api, self.namespace, self.read("deployment", late[0])) if late else ""
            raise CourseError(f"Deployment {', '.join(late)} is not ready after {timeout:.0f} s. {why}")
        print(f"Ready: {', '.join(deployments)}.")

    def wait_until_gone(self, what: str = "pods", selector: str = "", timeout: float = 60.0) -> None:
        """Wait until nothing of a kind is left that the selector matches."""
        kind = self.api.kind(what)
        if not waiting.until(self.api, kind, self.namespace, selector, lambda seen: not seen, timeout):
            left = ", ".join(each["metadata"]["name"] for each in self.objects(what, selector))
            raise CourseError(f"After {timeout:.0f} s there is still: {left}.")

    def wait_until_served_by(self, service: str, number: int, timeout: float = 30.0) -> None:
        """Wait until so many ready pods are behind a Service."""
        kind, selector = self.api.kind("endpointslices"), f"kubernetes.io/service-name={service}"
        if not waiting.until(self.api, kind, self.namespace, selector, lambda seen: _ready(seen) == number, timeout):
            raise CourseError(f"After {timeout:.0f} s Service {service} does not have {number} ready pods behind it.")

    # --- visiting

    def url(self, service: str) -> str:
        """The Service's address for visitors, through its node port."""
        nodes = self.api.request("GET", self.api.kind("nodes").path(""))["items"]
        return address.service_url(self._service(service), nodes)

    def node_port(self, service: str) -> int:
        """The port under which a Service can be reached on every node."""
        return address.node_port(self._service(service))

    def _service(self, name: str) -> Object:
        try:
            return self.read("service", name)
        except Refused as refusal:
            if refusal.code != 404:
                raise
            there = ", ".join(each["metadata"]["name"] for each in self.objects("services"))
            raise CourseError(
                f"There is no Service {name} in namespace {self.namespace}; there are: {there}."
            ) from None

    def versions(self) -> dict[str, str]:
        """The label ``version`` of every pod that has one, by the pod's name."""
        pods = ((pod["metadata"]["name"], pod["metadata"].get("labels") or {}) for pod in self.objects("pods"))
        return {name: labels[POD_VERSION] for name, labels in pods if POD_VERSION in labels}

    def start_probe(self, service: str, on_batch: Callable[[int], None] | None = None, **options: Any) -> RunningProbe:
        """A probe that goes on while the notebook does something else; ``.stop()`` ends it."""
        url = service if "://" in service else self.url(service)
        return RunningProbe(job_for(url, **options), self.versions(), on_batch)

    def probe(
        self,
        service: str,
        visitors: int = 1,
        requests: int = 20,
        keep_alive: bool = True,
        **options: float,
    ) -> Visits:
        """Let visitors make requests of a Service (or a URL) and see who answers.

        ``requests`` is for each visitor. ``keep_alive`` keeps each visitor's connection, else every request opens one.
        Further options, in seconds: ``timeout``, ``pause`` between requests, ``duration`` instead of a number; and
        ``rate``, requests a second of each visitor. Interrupting the cell ends the probe and keeps what it saw.
        """
        from kubechaos_helpers.progress import Progress

        wanted = {"visitors": visitors, "requests": requests, "keep_alive": keep_alive, **options}
        progress = Progress(visitors * requests)
        running = self.start_probe(service, progress.update, **wanted)
        visits = running.wait()
        progress.finish(len(visits))
        visits.version_of = self.versions() | visits.version_of
        return visits

    def replica_sliders(self, *deployments: str, service: str, most: int = 6, seconds: float = 60.0) -> ReplicaSliders:
        """A slider for the pods of each Deployment, and a chart of the split while traffic flows."""
        from kubechaos_helpers.sliders import ReplicaSliders

        return ReplicaSliders(self, deployments, service, most, seconds)

    def endpoints(self, service: str) -> list[tuple[str, str, str, bool]]:
        """(address, pod, version, ready) of everything in a Service's EndpointSlices, by address."""
        versions = self.versions()
        found = [
            (each["addresses"][0], (each.get("targetRef") or {}).get("name", ""), each["conditions"].get("ready", True))
            for piece in self.objects("endpointslices", f"kubernetes.io/service-name={service}")
            for each in piece.get("endpoints") or []
        ]
        return [(ip, pod, versions.get(pod, "<none>"), bool(ready)) for ip, pod, ready in sorted(found)]


def _ready(slices: waiting.Objects) -> int:
    endpoints = [each for piece in slices.values() for each in piece.get("endpoints") or []]
    return sum(bool(each["conditions"].get("ready")) for each in endpoints)


def _context(context: str | Path) -> Path:
    """The folder of a build context: one of the course's by name, else a path."""
    if str(context) == "custom":
        return mine("images/custom")
    if str(context) == "original":
        return shipped("images/original")
    return Path(context)


def _short(path: str | Path | Sequence[str]) -> str:
    """A path as a person in the course's folder would type it."""
    text = str(path)
    for name in ("/my/", "/manifests/", "/images/"):
        _, found, rest = text.rpartition(name)
        if found:
            return name.strip("/") + "/" + rest
    return Path(text).name


def advice(refusal: Refused) -> str:
    """A next step for the refusals that manifests run into."""
    message = refusal.message
    for words, step in ADVICE.items():
        if words in message:
            return f" {step}"
    return " Correct the manifest and apply it again; nothing else was changed by it."


ADVICE = {
    "field is immutable": "A selector cannot be changed: delete the Deployment first, or give it a new name.",
    "does not match template": "Give spec.selector.matchLabels and spec.template.metadata.labels the same labels.",
    "unknown field": "Check the spelling and the indentation of that field.",
    "must be greater than or equal to 0": "Write a whole number from 0 up.",
    "cannot unmarshal": "Write a value of that type: a number stands without quotes.",
    "already allocated": "Leave nodePort out, and the cluster picks a free one.",
}
