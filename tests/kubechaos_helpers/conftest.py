"""A cluster for this folder's tests: the embedded one, with the lesson's images, emptied before each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from kubechaos_helpers import Cluster, connect
from kubechaos_helpers.api import Refused
from kubechaos_helpers.course import page
from pocket_cluster import lifecycle
from pocket_cluster.home import Home

LESSON = "manifests/02-two-deployments-one-service"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("helpers") / "cluster")


@pytest.fixture(autouse=True)
def own_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other folders' tests have a cluster of their own in the same process."""
    monkeypatch.setenv("POCKET_CLUSTER_HOME", str(home.path))


@pytest.fixture(scope="session")
def embedded(home: Home) -> Iterator[Cluster]:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POCKET_CLUSTER_HOME", str(home.path))
            cluster = connect()
            cluster.build_image("original", "local/kubechaos:v1")
            cluster.build_image("custom", "local/kubechaos:v2")
        yield cluster
    finally:
        lifecycle.down(home)


@pytest.fixture
def cluster(embedded: Cluster, capsys: pytest.CaptureFixture[str]) -> Cluster:
    """An empty namespace ``default``."""
    for deployment in embedded.objects("deployments"):
        embedded.delete("deployment", deployment["metadata"]["name"])
    for service in embedded.objects("services"):
        if service["metadata"]["name"] != "kubernetes":
            embedded.delete("service", service["metadata"]["name"])
    for pod in embedded.objects("pods"):
        path = embedded.api.kind("pods").path("default", pod["metadata"]["name"])
        with contextlib.suppress(Refused):  # it has gone by itself
            embedded.api.request("DELETE", path, body={"gracePeriodSeconds": 0})
    embedded.wait_until_gone("pods")
    capsys.readouterr()
    return embedded


@pytest.fixture
def lesson(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Cluster:
    """Two Deployments behind one Service, ready."""
    cluster.apply(page.shipped(f"{LESSON}/dual.yaml"))
    cluster.wait_until_ready("kubechaos-original", "kubechaos-custom")
    cluster.wait_until_served_by("kubechaos-svc", 2)
    capsys.readouterr()
    return cluster
