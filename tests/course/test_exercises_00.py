"""What the exercise of page 00 finds in wrong states, and that it passes by any route."""

from __future__ import annotations

import pytest
from acts import Act, Found, applied, nothing, patched

from kubechaos_helpers import Cluster
from kubechaos_helpers.files import shipped

NAME, SERVICE = "kubechaos", "kubechaos-svc"


def scaled(replicas: int) -> Act:
    return lambda cluster: cluster.scale(NAME, replicas)


def slid(cluster: Cluster) -> None:
    sliders = cluster.replica_sliders(NAME, service=SERVICE)
    sliders[NAME].value = 2
    sliders.stop()


def renamed(cluster: Cluster) -> None:
    cluster.apply(shipped("manifests/02-two-deployments-one-service/dual.yaml"))
    cluster.delete("deployment", NAME)


without_image = applied("manifests/00-start-here/two-pods.yaml", ("local/kubechaos:v1", "local/kubechaos:v9"))


WRONG = [
    ("", nothing, "There is no Deployment kubechaos; there are: none. Bring it back with catch_me_up"),
    ("00.3", nothing, "Deployment kubechaos is to keep 1 and has 1 pod now. Let it keep 2."),
    ("00.3", scaled(0), "is to keep 0 and has"),
    ("00.3", scaled(3), "Deployment kubechaos is to keep 3 and has 3 pods now. Let it keep 2."),
    ("00.3", renamed, "There is no Deployment kubechaos; there are: kubechaos-custom, kubechaos-original."),
    ("00.3", without_image, "Not all of them are ready. Pod kubechaos-"),
    ("00.3", without_image, "waits for the image local/kubechaos:v9 (ImagePullBackOff): it was not built."),
]
RIGHT = [
    (scaled(2), "by the helper"),
    (patched("deployments", NAME, {"spec": {"replicas": 2}}), "by kubectl"),
    (slid, "by the slider"),
    (lambda cluster: cluster.apply(shipped("manifests/00-start-here/two-pods.yaml")), "by a manifest"),
]


@pytest.mark.parametrize(("section", "act", "sentence"), WRONG)
def test_a_wrong_state_is_named(found: Found, section: str, act: Act, sentence: str) -> None:
    assert sentence in found("00.two-pods", section, act)


@pytest.mark.parametrize(("act", "route"), RIGHT)
def test_a_right_state_passes(found: Found, act: Act, route: str) -> None:
    assert found("00.two-pods", "00.3", act) == "", route
