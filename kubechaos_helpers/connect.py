"""Which cluster a notebook works on. The only module that knows the embedded one."""

from __future__ import annotations

import importlib
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kubechaos_helpers import access
from kubechaos_helpers.api import Api, Refused
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.images import Command, OtherImages

if TYPE_CHECKING:
    from pocket_cluster.home import Home

POCKET, KUBECONFIG, IN_CLUSTER, CONTEXT = "pocket", "kubeconfig", "in-cluster", "context:"
# Where the course works on a cluster that is not its own, unless the context names a namespace.
OWN_NAMESPACE = "kubechaos"
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_newest: deque[Cluster] = deque(maxlen=1)


class _Target(NamedTuple):
    """A cluster that was named: an ApiClient, what to call it, its namespace, and kubectl's options for it."""

    client: Any
    title: str
    namespace: str
    options: tuple[str, ...] = ()


def connect(name: str = "", namespace: str = "") -> Cluster:
    """The embedded cluster, started if need be, or the one that ``name`` (or $KUBECHAOS_CLUSTER) names.

    ``context:minikube`` is that context of your kubeconfig, ``kubeconfig`` its current one, ``in-cluster`` the cluster
    that this notebook runs in. A cluster that was not named is never touched. On one that was, the course works in the
    context's own namespace, else in ``kubechaos``, or in ``namespace``; the latter two are made if they are missing.
    It says there as whom it acts and what it may not do, and does not begin where it may not work, or another does.
    """
    wanted = name or os.environ.get("KUBECHAOS_CLUSTER") or POCKET
    cluster, version, remarks = _embedded(namespace or "default") if wanted == POCKET else _named(wanted, namespace)
    _newest.append(cluster)
    print(f"Connected to {cluster.name} (Kubernetes {version}), namespace {cluster.namespace}.")
    for remark in remarks:
        print(remark)
    return cluster


def connected() -> Cluster:
    """The cluster that this kernel connected to last, so that checks look where the learner works."""
    return _newest[-1] if _newest else connect()


class _PocketImages:
    """The embedded cluster's images."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def commands(self, folder: Path, name: str) -> list[Command]:
        return [("pocket-cluster", "build", str(folder), name)]

    def build(self, folder: Path, name: str) -> None:
        from pocket_cluster.kubelet.images import ImageError, build_image

        try:
            build_image(self._home, folder, name)
        except ImageError as error:
            raise CourseError(str(error)) from None

    def has(self, name: str) -> bool:
        return bool(self.digest(name))

    def digest(self, name: str) -> str:
        from pocket_cluster.kubelet.images import find_image

        image = find_image(self._home.images_dir, name)
        return image.digest if image else ""

    def placed(self, name: str) -> str:
        return name

    def named(self, placed: str) -> str:
        return placed


def _embedded(namespace: str) -> tuple[Cluster, str, list[str]]:
    from pocket_cluster import lifecycle
    from pocket_cluster.home import Home

    home = Home.default()
    try:
        lifecycle.up(home)
    except (lifecycle.ClusterError, lifecycle.HomeError) as error:
        raise CourseError(str(error)) from None

    config: Any = importlib.import_module("kubernetes.config")
    client = config.new_client_from_config(str(home.kubeconfig))
    cluster = Cluster(
        Api(client),
        namespace,
        "the pocket cluster",
        _PocketImages(home),
        is_own=True,
        troubles=lambda: lifecycle.troubles(home),
    )
    return cluster, access.version_of(cluster.api), []


def _named(wanted: str, namespace: str) -> tuple[Cluster, str, list[str]]:
    target = _target(wanted)
    place, title = namespace or target.namespace, target.title
    kubectl = " ".join(("kubectl", *target.options))
    api = Api(target.client, f"Is it running, and does your network reach it? See: {kubectl} cluster-info")
    try:
        version, user = access.check_version(api, title), access.user_name(api)
        missing = access.check_rights(api, place, title, user)
        access.enter_namespace(api, place, title, may_make=bool(namespace) or place == OWN_NAMESPACE)
        access.take_place(api, place, title)
    except Refused as refusal:
        if refusal.code != 401:
            raise
        raise CourseError(
            f"{title} does not take your credentials: they are wrong, or have expired. Log in there again, as its"
            f" administrator told you, until this works: {kubectl} auth whoami. Then run this cell again."
        ) from None
    may = f"may not {'; '.join(missing)}: the cells that need it say so" if missing else "may do all the course needs"
    name = f"{title} at {target.client.configuration.host}"
    cluster = Cluster(api, place, name, OtherImages(api, title), target.options)
    return cluster, version, [f"You are {user} there, and {may}.", *access.nodes_not_ready(api)]


def _target(wanted: str) -> _Target:
    config: Any = importlib.import_module("kubernetes.config")
    try:
        if wanted == IN_CLUSTER:
            return _in_cluster(config)
        if wanted == KUBECONFIG or wanted.startswith(CONTEXT):
            return _from_kubeconfig(config, wanted.removeprefix(CONTEXT) if wanted != KUBECONFIG else "")
    except config.ConfigException as error:
        raise CourseError(f"The cluster {wanted!r} cannot be reached: {error}. See: kubectl config view") from None
    raise CourseError(
        f"There is no cluster {wanted!r}. Name one as context:NAME, kubeconfig or in-cluster, or leave the name out"
        " for the pocket cluster."
    )


def _in_cluster(config: Any) -> _Target:
    client: Any = importlib.import_module("kubernetes.client")
    settings = client.Configuration()
    config.load_incluster_config(client_configuration=settings)
    namespace = SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip()
    return _Target(client.ApiClient(settings), "the cluster that this notebook runs in", namespace)


def _from_kubeconfig(config: Any, context: str) -> _Target:
    contexts, current = config.list_kube_config_contexts()
    name = context or current["name"]
    found = next((each for each in contexts if each["name"] == name), None)
    if found is None:
        known = ", ".join(each["name"] for each in contexts)
        raise CourseError(f"Your kubeconfig has no context {name}; it has: {known}. Choose one of them.")
    namespace = found["context"].get("namespace") or OWN_NAMESPACE
    options = ("--context", name) if context else ()
    return _Target(config.new_client_from_config(context=name), f"context {name}", namespace, options)
