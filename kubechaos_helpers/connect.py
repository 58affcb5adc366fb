"""Which cluster a notebook works on. The only module that knows the embedded one."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from kubechaos_helpers.api import Api
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.errors import CourseError

POCKET, KUBECONFIG, IN_CLUSTER, CONTEXT = "pocket", "kubeconfig", "in-cluster", "context:"


def connect(name: str = "", namespace: str = "default") -> Cluster:
    """The embedded cluster, started if need be, or the one that ``name`` (or $KUBECHAOS_CLUSTER) names.

    ``context:minikube`` is that context of your kubeconfig, ``kubeconfig`` its current one, ``in-cluster`` the cluster
    that this notebook runs in. A cluster that was not named is never touched.
    """
    wanted = name or os.environ.get("KUBECHAOS_CLUSTER") or POCKET
    if wanted == POCKET:
        cluster = _embedded(namespace)
    else:
        cluster = Cluster(Api(_client(wanted)), namespace, f"the cluster of {wanted}")
    version = cluster.api.request("GET", "/version")["gitVersion"]
    print(f"Connected to {cluster.name} (Kubernetes {version}), namespace {namespace}.")
    return cluster


def _embedded(namespace: str) -> Cluster:

    from pocket_cluster import lifecycle
    from pocket_cluster.home import Home
    from pocket_cluster.kubelet.images import ImageError, build_image

    home = Home.default()
    try:
        lifecycle.up(home)
    except (lifecycle.ClusterError, lifecycle.HomeError) as error:
        raise CourseError(str(error)) from None

    def build(context: Path, name: str) -> str:
        try:
            return build_image(home, context, name)
        except ImageError as error:
            raise CourseError(str(error)) from None

    config: Any = importlib.import_module("kubernetes.config")
    client = config.new_client_from_config(str(home.kubeconfig))
    return Cluster(Api(client), namespace, "the pocket cluster", build)


def _client(wanted: str) -> Any:
    config: Any = importlib.import_module("kubernetes.config")
    client: Any = importlib.import_module("kubernetes.client")

    try:
        if wanted == IN_CLUSTER:
            settings = client.Configuration()
            config.load_incluster_config(client_configuration=settings)
            return client.ApiClient(settings)
        if wanted == KUBECONFIG:
            return config.new_client_from_config()
        if wanted.startswith(CONTEXT):
            return config.new_client_from_config(context=wanted.removeprefix(CONTEXT))
    except config.ConfigException as error:
        raise CourseError(f"The cluster {wanted!r} cannot be reached: {error}.") from None
    raise CourseError(
        f"There is no cluster {wanted!r}. Name one as context:NAME, kubeconfig or in-cluster, or leave the name out"
        " for the embedded one."
    )
