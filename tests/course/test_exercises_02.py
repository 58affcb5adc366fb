"""What the exercises of page 02 find in wrong states, and that they pass by any route."""

from __future__ import annotations

import pytest
from acts import Act, Found, applied, deleted, nothing, rolled_out, scaled, steps

from kubechaos_helpers import Cluster

LESSON = "manifests/02-two-deployments-one-service"


def dual(*changes: tuple[str, str]) -> Act:
    return applied(f"{LESSON}/dual.yaml", *changes)


def settled(act: Act, ready: int) -> Act:
    """The same, until so many ready pods are behind the Service."""

    def both(cluster: Cluster) -> None:
        act(cluster)
        cluster.wait_until_served_by("kubechaos-svc", ready)

    return both


def without_image(cluster: Cluster) -> None:
    dual(("kubechaos:v2", "kubechaos:v9"))(cluster)
    cluster.wait_until_served_by("kubechaos-svc", 1)


def other_label(cluster: Cluster) -> None:
    dual(("version: custom", "version: mine"))(cluster)
    cluster.wait_until_ready()


def other_selector(cluster: Cluster) -> None:
    dual(("app: kubechaos  # Unchanged", "app: chaos"))(cluster)
    cluster.wait_until_served_by("kubechaos-svc", 0)


def none_of_the_old(cluster: Cluster) -> None:
    cluster.scale("kubechaos", 0)
    cluster.wait_until_served_by("kubechaos-svc", 2)


TO_NOBODY = dual(("targetPort: 3000", "targetPort: 3001"))
WRONG = {
    "02.two-versions": [
        ("", nothing, "There is no Deployment kubechaos-original; there are: no Deployments."),
        ("02.4", nothing, "There is no Deployment kubechaos-original; there are: no Deployments."),
        ("02.2", nothing, "there are: kubechaos. Apply a manifest that has it."),
        ("02.5", lambda cluster: cluster.delete("deployment", "kubechaos-custom"), "no Deployment kubechaos-custom"),
        ("02.5", lambda cluster: cluster.scale("kubechaos-custom", 0), "is to keep 0 pods. Give it 1"),
        ("02.4", without_image, "waits for the image local/kubechaos:v9"),
        ("02.4", other_label, "Give its template `version: custom`."),
        ("02.5", lambda cluster: cluster.delete("service", "kubechaos-svc"), "There is no Service kubechaos-svc."),
        ("02.5", other_selector, "selects {'app': 'chaos'}: both versions are not behind it."),
        ("02.4", TO_NOBODY, "Ready pods are behind kubechaos-svc, and yet visitors meet errors: Nobody answered"),
    ],
    "02.three-quarters": [
        ("", nothing, "No ready pod is behind kubechaos-svc."),
        ("02.10", nothing, "are 1 custom and 1 other ready pods. That gives custom 50%: give it more pods"),
        ("02.10", scaled(1, 2), "That gives custom 67%: give it more pods"),
        ("02.10", scaled(1, 4), "That gives custom 80%: give it fewer pods"),
        ("02.10", scaled(3, 1), "That gives custom 25%: give it more pods"),
        ("02.10", scaled(0, 1), "That gives custom 100%: give it fewer pods"),
        ("02.10", steps(TO_NOBODY, scaled(1, 3)), "are sent to port 3001: do the programs listen there?"),
    ],
    "02.third-pod": [
        ("", nothing, "are 0 custom and 0 other ready pods. Both versions are to stay: apply the lesson's manifest"),
        ("02.12", nothing, "Deployment kubechaos keeps it. Remove what keeps it."),
        ("02.12", lambda cluster: cluster.scale("kubechaos", 2), "Remove what keeps it."),
        ("02.12", none_of_the_old, "is still there, and would put its pods behind the Service again."),
        (
            "02.10",
            settled(deleted("deployment", "kubechaos-custom"), 1),
            "0 custom and 1 other ready pods. Both versions are to",
        ),
        ("02.2", nothing, "Remove what keeps it."),
        ("02.10", TO_NOBODY, "Nobody answered: 400 visits, 400 times no answer. They are sent to port 3001: do the"),
    ],
}
RIGHT = [
    ("02.two-versions", "02.4", dual(), "by the manifest"),
    ("02.two-versions", "02.5", nothing, "by catching up"),
    ("02.three-quarters", "02.10", scaled(1, 3), "by scaling the custom version"),
    ("02.three-quarters", "02.10", scaled(2, 6), "by other numbers"),
    ("02.third-pod", "02.12", settled(deleted("deployment", "kubechaos"), 2), "by deleting what was forgotten"),
]


@pytest.mark.parametrize(
    ("identity", "section", "act", "sentence"), [(identity, *each) for identity in WRONG for each in WRONG[identity]]
)
def test_a_wrong_state_is_named(found: Found, identity: str, section: str, act: Act, sentence: str) -> None:
    assert sentence in found(identity, section, act)


@pytest.mark.parametrize(("identity", "section", "act", "route"), RIGHT)
def test_a_right_state_passes(found: Found, identity: str, section: str, act: Act, route: str) -> None:
    assert found(identity, section, steps(act, rolled_out)) == "", route
