"""A cluster for the exercises' tests: the embedded one, with the course's images and a learner's folder of its own."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterator

import pytest
from acts import Act, Found

from kubechaos_helpers import Cluster, connect
from kubechaos_helpers.course import catch_me_up, exercise
from kubechaos_helpers.course.lesson import bring_to
from kubechaos_helpers.course.look import Look
from pocket_cluster import lifecycle
from pocket_cluster.home import Home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("course") / "cluster")


@pytest.fixture(autouse=True)
def own_places(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other folders' tests have a cluster of their own in the same process."""
    monkeypatch.setenv("POCKET_CLUSTER_HOME", str(home.path))
    monkeypatch.setenv("KUBECHAOS_MY", str(home.path.with_name("my")))


@pytest.fixture(scope="session")
def running(home: Home) -> Iterator[Cluster]:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POCKET_CLUSTER_HOME", str(home.path))
            patch.setenv("KUBECHAOS_MY", str(home.path.with_name("my")))
            cluster = connect()
            cluster.build_missing_images()
        yield cluster
    finally:
        lifecycle.down(home)


@pytest.fixture
def embedded(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, as the one that this process connected to last."""
    module = importlib.import_module("kubechaos_helpers.connect")  # the package has the function of this name
    monkeypatch.setattr(module, "_newest", deque([running], maxlen=1))
    return running


@pytest.fixture
def found(embedded: Cluster) -> Found:
    """What a check finds after an act at a section's start: its first gap, ``""`` when it passes."""

    def look(identity: str, section: str, act: Act) -> str:
        if section:
            catch_me_up(section)
        else:
            bring_to(embedded, "")
        act(embedded)
        return exercise.first_gap(exercise.find(identity), Look(embedded))

    return look
