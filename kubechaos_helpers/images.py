"""How images reach a cluster: each kind of cluster has its own way, found from what its nodes say of themselves."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kubechaos_helpers.api import Api
from kubechaos_helpers.errors import CourseError

Object = dict[str, Any]
Command = tuple[str, ...]
REGISTRY, COMMAND = "KUBECHAOS_REGISTRY", "KUBECHAOS_IMAGE_COMMAND"
LOCAL = "local/"
# Programs that build an image from a folder, with the same words.
BUILDERS = ("docker", "podman", "nerdctl")
BUILD_SECONDS = 600


class NoWay(CourseError):
    """No way is known by which an image reaches this cluster from here."""


class Images(Protocol):
    """The images of one cluster."""

    def commands(self, folder: Path, name: str) -> list[Command]:
        """What a terminal would run to build an image there; CourseError where no way is known."""

    def build(self, folder: Path, name: str) -> None:
        """Build an image; CourseError when that cannot be done."""

    def has(self, name: str) -> bool:
        """Whether an image of that name is known to be there."""

    def digest(self, name: str) -> str:
        """What is in the image that has this name now; ``""`` when that is not known."""

    def placed(self, name: str) -> str:
        """The name under which the cluster finds it."""

    def named(self, placed: str) -> str:
        """The name that manifests write for it: the other way round."""


class Way(NamedTuple):
    """One kind of cluster: a pattern for what its node says of itself, and the commands that bring an image there.

    The commands' words are formatted with ``name``, ``folder``, ``file`` and the pattern's groups.
    """

    pattern: str
    commands: tuple[str, ...]


BUILD = " build -t {name} -f {file} {folder}"
# minikube: pkg/minikube/node, kind: pkg/cluster/internal/kubeadm (providerID), k3s: k3s://NODE.
WAYS = (
    Way(
        r"minikube\.k8s\.io/name=(?P<cluster>\S+)", ("minikube -p {cluster} image build -t {name} -f {file} {folder}",)
    ),
    Way(r"kind://docker/desktop/", (f"docker{BUILD}",)),
    Way(r"kind://docker/(?P<cluster>[^/]+)/", (f"docker{BUILD}", "kind load docker-image {name} --name {cluster}")),
    Way(
        r"kind://(?P<builder>podman|nerdctl)/(?P<cluster>[^/]+)/",
        (
            f"{{builder}}{BUILD}",
            "{builder} save -o {folder}/.image.tar {name}",
            "kind load image-archive {folder}/.image.tar --name {cluster}",
            "rm {folder}/.image.tar",
        ),
    ),
    Way(r"k3s://k3d-(?P<cluster>.+)-(?:server|agent)-\d+", (f"docker{BUILD}", "k3d image import {name} -c {cluster}")),
    Way(r"name=lima-rancher-desktop\b", (f"nerdctl --namespace k8s.io{BUILD}",)),
    Way(r"name=(?:docker-desktop|colima\S*|orbstack)\b", (f"docker{BUILD}",)),
)


def words_of(node: Object) -> str:
    """What a node says of itself: its name, its labels and its provider's identity for it."""
    metadata = node["metadata"]
    labels = (f"{key}={value}" for key, value in (metadata.get("labels") or {}).items())
    return " ".join([f"name={metadata['name']}", node["spec"].get("providerID", ""), *labels])


class OtherImages:
    """Images for a cluster that is not the embedded one; ``title`` is what to call it.

    ``$KUBECHAOS_IMAGE_COMMAND`` has a command for an unusual cluster, with {name} and {context} in it;
    ``$KUBECHAOS_REGISTRY`` a registry to which images are pushed, such as ghcr.io/me, and from which pods take them.
    """

    def __init__(self, api: Api, title: str) -> None:
        self._api, self._title = api, title
        self._built: set[str] = set()

    def commands(self, folder: Path, name: str) -> list[Command]:
        words = {"name": self.placed(name), "folder": str(folder), "file": str(folder / "Containerfile")}
        own = os.environ.get(COMMAND)
        if own:
            return [_filled(own, words | {"context": str(folder)})]
        if os.environ.get(REGISTRY):
            builder = next(filter(shutil.which, BUILDERS), BUILDERS[0])
            return [_filled(f"{builder}{BUILD}", words), (builder, "push", words["name"])]
        node = next(iter(self._nodes()), None)
        for way in WAYS:
            found = re.search(way.pattern, words_of(node)) if node else None
            if found:
                return [_filled(command, words | found.groupdict()) for command in way.commands]
        raise NoWay(
            f"How images reach {self._title} is not known here. Build {name} from {folder} with docker, podman or"
            f" nerdctl and load it into every node; or set {REGISTRY} to a registry that you may push to and the nodes"
            f' may pull from; or {COMMAND} to a command such as "load-image {{name}} {{context}}". Then run the cell'
            " again."
        )

    def build(self, folder: Path, name: str) -> None:
        for command in self.commands(folder, name):
            _run(command)
        self._built.add(name)

    def has(self, name: str) -> bool:
        """A kubelet lists its newest images about once a minute; one that was built here needs no look."""
        return name in self._built or (bool(nodes := self._nodes()) and all(_lists(node, name) for node in nodes))

    def digest(self, name: str) -> str:
        return ""

    def placed(self, name: str) -> str:
        return self._renamed(name, LOCAL, _registry())

    def named(self, placed: str) -> str:
        return self._renamed(placed, _registry(), LOCAL)

    def _renamed(self, name: str, old: str, new: str) -> str:
        return new + name.removeprefix(old) if old and new and name.startswith(old) else name

    def _nodes(self) -> list[Object]:
        return [node for node in self._api.nodes() or [] if not node["spec"].get("unschedulable")]


def _registry() -> str:
    registry = os.environ.get(REGISTRY, "").rstrip("/")
    return registry and f"{registry}/"


def _filled(command: str, words: dict[str, str]) -> Command:
    return tuple(word.format(**words) for word in shlex.split(command))


def _lists(node: Object, name: str) -> bool:
    """Whether a node says that it has the image; containerd names it with the registry that Docker assumes."""
    there = {each for image in (node["status"].get("images") or []) for each in image.get("names") or []}
    return not there.isdisjoint({name, f"docker.io/{name}"})


def _run(command: Sequence[str]) -> None:
    shown = shlex.join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL)
    except OSError:
        raise CourseError(f"There is no program {command[0]} here, which this cluster's images need: {shown}") from None
    except subprocess.TimeoutExpired:
        raise CourseError(f"This did not end within {BUILD_SECONDS} s. Run it in a terminal: {shown}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CourseError(f"This failed: {shown}\nIt says: {said[-1] if said else 'nothing'}")


def with_images(obj: Any, rename: Callable[[str], str]) -> Any:
    """The same object with other names for its containers' images, which are then pulled for each new pod.

    An image that is pushed again under its name would else not be fetched by a node that has the older one.
    """
    if isinstance(obj, list):
        return [with_images(each, rename) for each in obj]
    if not isinstance(obj, dict):
        return obj
    found = {key: with_images(value, rename) for key, value in obj.items()}
    image = obj.get("image")
    if isinstance(image, str) and rename(image) != image:
        found |= {"image": rename(image), "imagePullPolicy": "Always"}
    return found
