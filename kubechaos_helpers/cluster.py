"""The cluster as a notebook sees it: kubectl's verbs as methods. Each shows the kubectl command that it stands for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import address, applying, endpoints, kube_proxy, printing, probing, rollouts, waiting
from kubechaos_helpers.api import ANYTHING, TABLE, Api, Kind, Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import build_context
from kubechaos_helpers.images import Images, NoWay, with_images
from kubechaos_helpers.manifests import Entry, short
from kubechaos_helpers.running_probe import RunningProbe
from kubechaos_helpers.visits import Visits
from kubechaos_helpers.ways import Way, find_way, way_here

if TYPE_CHECKING:
    from kubechaos_helpers.doors import PortForward
    from kubechaos_helpers.live import LiveTable
    from kubechaos_helpers.live_drawing import LiveDrawing
    from kubechaos_helpers.load import Load
    from kubechaos_helpers.sliders import ReplicaSliders
    from kubechaos_helpers.story import Story

Object = dict[str, Any]
COURSE_IMAGES = {"local/kubechaos:v1": "original", "local/kubechaos:v2": "custom", "local/kubechaos:v3": "canary"}
DELETE_SECONDS = 60.0
POD_VERSION = "version"
BACKGROUND = {"propagationPolicy": "Background"}


class Cluster:
    """One namespace of one cluster. ``connect()`` makes it.

    ``options`` are what a kubectl in a terminal needs to be told to mean the same cluster. Only one that ``is_own`` has
    its kube-proxy switched. ``troubles`` says which of the cluster's own components do not serve, where that is known.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        images: Images,
        options: Sequence[str] = (),
        is_own: bool = False,
        troubles: Callable[[], list[str]] = list,
    ) -> None:
        self.api, self.namespace, self.name, self.is_own = api, namespace, name, is_own
        self._images = images
        self._ways: dict[tuple[str, ...], Way] = {}
        self._options = options
        self.troubles = troubles

    def __repr__(self) -> str:
        return f"{self.name}, namespace {self.namespace}"

    def kubectl(self, *words: str) -> list[str]:
        """The kubectl command with these words that means this cluster and this namespace."""
        own = () if "-n" in words or self.namespace == "default" else ("-n", self.namespace)
        end = words.index("--") if "--" in words else len(words)  # behind that are a pod's words
        return ["kubectl", *words[:end], *self._options, *own, *words[end:]]

    def show_command(self, *words: str) -> None:
        """Print the kubectl command that does the same on this cluster."""
        printing.command(*self.kubectl(*words))

    # --- looking

    def get(self, what: str, name: str = "", selector: str = "", output: str = "", labels: str = "") -> None:
        """Print what ``kubectl get`` prints. ``output`` is ``""`` or ``wide``; ``labels`` are columns as with -L."""
        if output not in ("", "wide"):
            raise CourseError(f'get prints tables: output is "" or "wide", not {output!r}. A terminal has more.')
        flags = (("-l", selector), ("-o", output), ("-L", labels))
        self.show_command("get", what, name, *(word for flag in flags if flag[1] for word in flag))
        kinds = [self.api.kind(each) for each in what.split(",")]
        texts = [self._table(kind, name, selector, output == "wide", labels, len(kinds) > 1) for kind in kinds]
        nothing = f"No resources found in {self.namespace} namespace." if kinds[0].namespaced else "No resources found"
        print("\n\n".join(filter(None, texts)) or nothing)

    def _table(self, kind: Kind, name: str, selector: str, wide: bool, labels: str, several: bool) -> str:
        query = {"labelSelector": selector} if selector else {}
        try:
            answer = self.api.request("GET", kind.path(self.namespace, name), query, accept=TABLE)
        except Refused as refusal:
            raise self._absent(kind, name) if refusal.code == 404 and name else refusal from None
        columns = [label for label in labels.split(",") if label]
        prefix = f"{kind.full_name}/" if several else ""
        return printing.table(answer, wide, columns, prefix) if answer.get("rows") else ""

    def _absent(self, kind: Kind, name: str) -> CourseError:
        """The error for an object that does not exist."""
        there = ", ".join(each["metadata"]["name"] for each in self.objects(kind.full_name)) or "none"
        place = f" in namespace {self.namespace}" if kind.namespaced else ""
        return CourseError(f"There is no {kind.kind} {name}{place}; there are: {there}. Check the name.")

    def read(self, kind: str, name: str) -> Object:
        """One object as the API has it, without a word; CourseError when it does not exist."""
        found = self.api.find(self.api.kind(kind).path(self.namespace, name))
        if found is None:
            raise self._absent(self.api.kind(kind), name)
        return found

    def objects(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind that a label selector matches."""
        query = {"labelSelector": selector} if selector else {}
        found: list[Object] = self.api.request("GET", self.api.kind(kind).path(self.namespace), query)["items"]
        return found

    def logs(self, pod: str, lines: int = 20) -> None:
        """Print the last lines that a pod's program wrote."""
        self.show_command("logs", pod, f"--tail={lines}")
        kind = self.api.kind("pods")
        if self.api.find(kind.path(self.namespace, pod)) is None:
            raise self._absent(kind, pod)
        path = kind.path(self.namespace, pod, "log")
        print(self.api.request("GET", path, {"tailLines": str(lines)}, accept=ANYTHING), end="")

    def run_in(self, pod: str, *command: str) -> None:
        """Run a command in a pod and print what it says."""
        from kubechaos_helpers.doors import execute

        self.show_command("exec", pod, "--", *command)
        self.read("pod", pod)  # says what there is when there is none
        print(execute(self, pod, list(command)).rstrip())

    def watch(self, what: str = "pods", selector: str = "", seconds: float = 60.0) -> LiveTable:
        """A table that follows the pods until all are ready, ``seconds`` have passed, or Stop is pressed."""
        from kubechaos_helpers.live import LiveTable

        return LiveTable(self, what, selector, seconds)

    def draw(self, service: str, seconds: float = 60.0) -> LiveDrawing:
        """Service, EndpointSlice and pods as a drawing that changes as they do; see LiveDrawing."""
        from kubechaos_helpers.live_drawing import LiveDrawing

        return LiveDrawing(self, service, seconds)

    # --- changing

    def apply(self, manifest: Path | str) -> None:
        """Create or change every object of a manifest. What is wrong with one of them does not stop the others."""
        self.show_command("apply", "-f", "-" if "\n" in str(manifest) else short(manifest))
        applying.for_each(manifest, lambda entry: print(self._apply(entry)))

    def apply_quietly(self, manifest: Path | str) -> None:
        """The same without a word."""
        applying.for_each(manifest, self._apply)

    def _apply(self, entry: Entry) -> str:
        kind = applying.kind_of(self.api, entry)
        return f"{kind.full_name}/{entry.name} {applying.apply(self.api, kind, self.namespace, self.placed(entry.obj))}"

    def delete(self, what: str | Path, name: str = "") -> None:
        """Delete one object, or every object of a manifest, and wait until it is gone."""
        if name:
            self.show_command("delete", str(what), name)
            self._delete(self.api.kind(str(what)), self.namespace, name)
            return

        def act(entry: Entry) -> None:
            namespace = entry.obj["metadata"].get("namespace") or self.namespace
            self._delete(applying.kind_of(self.api, entry), namespace, entry.name)

        self.show_command("delete", "-f", "-" if "\n" in str(what) else short(what))
        applying.for_each(what, act)

    def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        path = kind.path(namespace, name)
        found = self.api.find(path)
        if found is None:
            raise self._absent(kind, name)
        self.api.request("DELETE", path, body=BACKGROUND)
        print(f'{kind.full_name} "{name}" deleted' + (f" from {namespace} namespace" if kind.namespaced else ""))
        uid = found["metadata"]["uid"]

        def gone(seen: waiting.Objects) -> bool:
            return name not in seen or seen[name]["metadata"]["uid"] != uid

        if not waiting.until(self.api, kind, namespace, "", gone, DELETE_SECONDS):
            raise self.waited_in_vain(
                f"{kind.kind} {name} is still being deleted after {DELETE_SECONDS:.0f} s: something holds it."
                f" See what it says: kubectl describe {kind.singular} {name}"
            )

    def scale(self, deployment: str, replicas: int) -> None:
        """Set how many pods a Deployment keeps."""
        self.show_command("scale", "deployment", deployment, f"--replicas={replicas}")
        self.set_replicas(deployment, replicas)
        print(f"deployment.apps/{deployment} scaled")

    def set_replicas(self, deployment: str, replicas: int) -> None:
        """The same without a word."""
        if not isinstance(replicas, int) or replicas < 0:
            raise CourseError(f"A Deployment cannot keep {replicas!r} pods. Give a whole number from 0 up.")
        kind = self.api.kind("deployments")
        path = kind.path(self.namespace, deployment, "scale")
        try:
            self.api.request("PATCH", path, None, {"spec": {"replicas": replicas}}, "application/merge-patch+json")
        except Refused as refusal:
            if refusal.code == 404:
                raise self._absent(kind, deployment) from None
            raise

    def restart(self, deployment: str) -> None:
        """Replace a Deployment's pods, one after the other, without changing what runs in them."""
        self.show_command("rollout", "restart", f"deployment/{deployment}")
        rollouts.restart(self.api, self.read("deployment", deployment))
        print(f"deployment.apps/{deployment} restarted")

    def undo(self, deployment: str) -> None:
        """Roll a Deployment back to the template that it ran before."""
        self.show_command("rollout", "undo", f"deployment/{deployment}")
        rollouts.undo(self.api, self.read("deployment", deployment))
        print(f"deployment.apps/{deployment} rolled back")

    def label(self, what: str, name: str, **labels: str | None) -> None:
        """Give an object labels, or other values of those that it has; None takes one away."""
        words = [f"{label}-" if value is None else f"{label}={value}" for label, value in labels.items()]
        self.show_command("label", what, name, *words, "--overwrite")
        found = self.read(what, name)  # says what there is when there is none
        path = self.api.kind(what).path(self.namespace, found["metadata"]["name"])
        self.api.request("PATCH", path, None, {"metadata": {"labels": labels}}, "application/merge-patch+json")
        print(f"{self.api.kind(what).full_name}/{name} labeled")

    def build_image(self, context: str | Path, name: str) -> None:
        """Build an image. ``original`` and ``custom`` are the course's own contexts, ``custom`` the learner's copy."""
        folder = build_context(context)
        for command in self._images.commands(folder, name):
            printing.command(*(short(folder) if word == str(folder) else word for word in command))
        self._images.build(folder, name)
        print(f"Built {name}.")

    def build_missing_images(self) -> None:
        """Build those of the course's images that are missing. One that a learner built stays as it is.

        Where no way to build is known, the pods that lack an image will say so.
        """
        with contextlib.suppress(NoWay):
            for name, context in COURSE_IMAGES.items():
                if not self._images.has(name):
                    self._images.build(build_context(context), name)

    def placed(self, obj: Object) -> Object:
        """The object as this cluster needs it: with the names under which its nodes find the images."""
        found: Object = with_images(obj, self._images.placed)
        return found

    def image_of(self, container: Object) -> str:
        """The name that a manifest writes for a container's image, also where a registry gave it another one."""
        return self._images.named(str(container["image"]))

    def runs_older_build(self, pod: Object) -> bool:
        """Whether an image was built again under the same name after a container of this pod started from it."""
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        started = {each["image"]: each["imageID"] for each in statuses if each.get("imageID")}
        return any(self._images.digest(name) not in ("", digest) for name, digest in started.items())

    def balance(self, mode: str) -> None:
        """Have the embedded kube-proxy choose pods in another way, ``random`` or ``round-robin``, and wait for that."""
        kube_proxy.balance(self, mode)

    def pace(self, seconds: float) -> None:
        """Have the embedded kube-proxy follow changes so many seconds apart at least, as real ones do with 1 second."""
        kube_proxy.pace(self, seconds)

    # --- waiting

    def waited_in_vain(self, sentence: str) -> CourseError:
        """What a wait raises when its time is over, with what is broken in the cluster itself."""
        return CourseError("\n".join([sentence, *self.troubles()]))

    def wait_until_ready(self, *deployments: str, timeout: float = 60.0) -> None:
        """Wait until Deployments are rolled out and available; says what the pods show when they are not in time."""
        names = deployments or tuple(each["metadata"]["name"] for each in self.objects("deployments"))
        for name in names:
            self.show_command("rollout", "status", f"deployment/{name}", f"--timeout={timeout:.0f}s")
        self.wait_quietly(names, timeout)
        print(f"Ready: {', '.join(names)}.")

    def wait_quietly(self, deployments: Sequence[str], timeout: float = 60.0) -> None:
        """The same without a word."""
        kind = self.api.kind("deployments")

        def ready(seen: waiting.Objects) -> bool:
            absent = next((name for name in deployments if name not in seen), None)
            if absent:
                raise self._absent(kind, absent)
            return all(waiting.is_rolled_out(seen[name]) for name in deployments)

        if not waiting.until(self.api, kind, self.namespace, "", ready, timeout):
            raise self.waited_in_vain(waiting.why_late(self.api, self.namespace, deployments, timeout))

    def wait_until_gone(self, what: str = "pods", selector: str = "", left: int = 0, timeout: float = 60.0) -> None:
        """Wait until no more than ``left`` of a kind are there that the selector matches, ending ones included."""
        kind = self.api.kind(what)
        if not waiting.until(self.api, kind, self.namespace, selector, lambda seen: len(seen) <= left, timeout):
            there = ", ".join(each["metadata"]["name"] for each in self.objects(what, selector))
            raise self.waited_in_vain(
                f"After {timeout:.0f} s there is still: {there}. See why: kubectl describe {what} {there}"
            )

    def wait_until_served_by(self, service: str, number: int, timeout: float = 60.0) -> None:
        """Wait until so many ready pods are behind a Service, and kube-proxy knows them."""
        endpoints.wait_until_served_by(self, service, number, timeout)

    # --- visiting

    def url(self, service: str) -> str:
        """The Service's address for visitors."""
        return self.way(service).url

    def way(self, service: str) -> Way:
        """How visitors come to a Service from here; it is looked for again when the Service's ports have changed."""
        found = self.read("service", service)
        key = (found["metadata"]["uid"], str(found["spec"].get("ports")), str(found.get("status")))
        if key not in self._ways:
            self._ways[key] = way_here(self.api, found) if self.is_own else find_way(self.api, found)
        return self._ways[key]

    def node_port(self, service: str) -> int:
        """The port under which a Service can be reached on every node."""
        return address.node_port(self.read("service", service))

    def versions(self) -> dict[str, str]:
        """The label ``version`` of every pod that has one, by the pod's name."""
        pods = ((pod["metadata"]["name"], pod["metadata"].get("labels") or {}) for pod in self.objects("pods"))
        return {name: labels[POD_VERSION] for name, labels in pods if POD_VERSION in labels}

    def start_probe(self, service: str, on_batch: Callable[[int], None] | None = None, **options: Any) -> RunningProbe:
        """A probe that goes on while the notebook does something else; ``.stop()`` ends it."""
        return RunningProbe(probing.job_of(self, service, **options), self.versions(), on_batch, self.versions)

    def probe(
        self,
        service: str,
        visitors: int = 1,
        requests: int = 20,
        keep_alive: bool = True,
        via: str = "",
        workers: int = 0,
        **options: float,
    ) -> Visits:
        """Let visitors make requests of a Service (or a URL) and see who answers.

        ``via`` is another way than the node port: from ``inside`` a pod to the cluster IP, or through the
        ``api-server``; there one visitor opens a connection for each request.
        ``workers`` divide the visitors among them: processes of this machine on the embedded cluster, pods elsewhere.
        ``requests`` is for each visitor. ``keep_alive`` keeps each visitor's connection, else every request opens one.
        Further options, in seconds: ``timeout``, ``pause`` between requests, ``duration`` instead of a number; and
        ``rate``, requests a second of each visitor. Interrupting the cell ends the probe and keeps what it saw.
        """
        wanted = {"visitors": visitors, "requests": requests, "keep_alive": keep_alive, **options}
        return probing.probe(self, service, via, workers, wanted)

    def port_forward(self, service: str) -> PortForward:
        """A forward to one of a Service's pods; ``.probe()`` visits through it."""
        from kubechaos_helpers.doors import PortForward

        return PortForward(self, service)

    def replica_sliders(self, *deployments: str, service: str, most: int = 6, seconds: float = 60.0) -> ReplicaSliders:
        """A slider for the pods of each Deployment, and a chart of the split while traffic flows."""
        from kubechaos_helpers.sliders import ReplicaSliders

        return ReplicaSliders(self, deployments, service, most, seconds)

    def under_load(self, service: str, **options: Any) -> Load:
        """``with cluster.under_load(SERVICE) as load:`` has visitors come meanwhile; ``load.show()`` draws it all."""
        from kubechaos_helpers.load import Load

        return Load(self, service, **options)

    def start_story(self, service: str) -> Story:
        """Follow what the pods behind a Service go through; ``.stop()`` ends that and tells."""
        from kubechaos_helpers.story import Story

        return Story(self, service)

    def endpoints(self, service: str) -> list[tuple[str, str, str, bool]]:
        """(address, pod, version, ready) of everything in a Service's EndpointSlices, by address."""
        return endpoints.of(self, service)
