"""A cluster for the exercises' tests: the embedded one, with the course's images and a learner's folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from kubechaos_helpers import Cluster, connect
from kubechaos_helpers.course import catch_me_up, exercise
from kubechaos_helpers.course.lesson import bring_to
from kubechaos_helpers.course.look import Look
from pocket_cluster import lifecycle
from pocket_cluster.home import Home

# What an exercise's test does to the cluster before it looks.
Act = Callable[[Cluster], object]


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("course")
    home = Home(folder / "cluster")
    os.environ.update(POCKET_CLUSTER_HOME=str(home.path), KUBECHAOS_MY=str(folder / "my"))
    cluster = connect()
    cluster.build_missing_images()
    yield cluster
    lifecycle.down(home)


@pytest.fixture
def found(embedded: Cluster) -> Callable[[str, str, Act], str]:
    """What a check finds after an act at a section's start: its first gap, ``""`` when it passes."""

    def look(identity: str, section: str, act: Act) -> str:
        if section:
            catch_me_up(section)
        else:
            bring_to(embedded, "")
        act(embedded)
        return exercise.first_gap(exercise.find(identity), Look(embedded))

    return look
