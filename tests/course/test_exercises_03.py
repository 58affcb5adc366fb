"""What the exercises of page 03 find in wrong states, and that they pass by any route."""

from __future__ import annotations

from random import Random

import pytest
from acts import Act, Found, applied, deleted, nothing, patched, steps

from kubechaos_helpers import Cluster
from kubechaos_helpers.course import catch_me_up, exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.files import shipped
from kubechaos_helpers.visits import Visit, Visits

OWN = "manifests/03-who-serves-my-request"
WRONG_PORT = ("port: 3000\n          period", "port: 3001\n          period")
NO_DELAY = ("KUBECHAOS_START_DELAY", "NO_DELAY")
DUAL = "manifests/02-two-deployments-one-service/dual.yaml"


def scaled(name: str, replicas: int, behind: int) -> Act:
    def act(cluster: Cluster) -> None:
        cluster.scale(name, replicas)
        cluster.wait_until_served_by("kubechaos-svc", behind)

    return act


def balanced(mode: str) -> Act:
    return lambda cluster: cluster.balance(mode)


def affinity(value: str) -> Act:
    return patched("services", "kubechaos-svc", {"spec": {"sessionAffinity": value}})


to_nobody = applied(DUAL, ("targetPort: 3000", "targetPort: 3001"))
one_pod_in_turns = steps(balanced("round-robin"), scaled("kubechaos-custom", 0, 1))
in_turns_with_affinity = steps(balanced("round-robin"), affinity("ClientIP"))
in_turns_to_nobody = steps(balanced("round-robin"), to_nobody)
alone = steps(affinity("ClientIP"), scaled("kubechaos-original", 0, 1))


def on_the_wrong_service(cluster: Cluster) -> None:
    text = shipped(DUAL).read_text().split("---\n")[-1].replace("kubechaos-svc", "kubechaos-other-svc")
    cluster.apply(text.replace("  type: NodePort\n", "  type: NodePort\n  sessionAffinity: ClientIP\n"))


def manifest(name: str, *changes: tuple[str, str]) -> Act:
    """One of the page's manifests, and the original serves."""
    return steps(applied(f"{OWN}/{name}", *changes), lambda cluster: cluster.wait_quietly(["kubechaos-original"]))


def ready(act: Act) -> Act:
    def both(cluster: Cluster) -> None:
        act(cluster)
        cluster.wait_until_ready()

    return both


WRONG = {
    "03.turns": [
        ("", nothing, "are 0 ready pods. Turns need two at least"),
        ("03.2", nothing, "At random: 2 pods"),
        ("03.2", balanced("random"), "Switch kube-proxy's mode to round-robin."),
        ("03.2", scaled("kubechaos-custom", 3, 4), "At random: 4 pods"),
        ("03.2", one_pod_in_turns, "is 1 ready pod. Turns need two at least"),
        ("03.2", in_turns_with_affinity, "sessionAffinity is ClientIP: a visitor stays with one pod in any mode."),
        ("03.2", in_turns_to_nobody, "Nobody answered: 1000 visits, 1000 times no answer. They are sent to port 3001"),
    ],
    "03.affinity": [
        ("", nothing, "There is no Service kubechaos-svc."),
        ("03.4", nothing, "The Service's sessionAffinity is None."),
        ("03.4", deleted("service", "kubechaos-svc"), "There is no Service kubechaos-svc."),
        ("03.4", alone, "one pod alone proves nothing."),
        ("03.4", steps(affinity("ClientIP"), to_nobody), "Nobody answered: 60 visits, 60 times no answer."),
        ("03.4", on_the_wrong_service, "The Service's sessionAffinity is None."),
    ],
    "03.ready": [
        ("", nothing, "There is no Deployment kubechaos-custom."),
        ("03.6", nothing, "has no readiness probe."),
        ("03.6", ready(manifest("slow-start.yaml")), "has no readiness probe."),
        (
            "03.6",
            manifest("with-probe.yaml", ("port: 3000\n          period", "port: 3001\n          period")),
            "refused",
        ),
        ("03.6", manifest("with-probe.yaml", ("/healthz", "/health")), "statuscode: 404"),
        (
            "03.6",
            ready(manifest("with-probe.yaml", ("KUBECHAOS_START_DELAY", "NO_DELAY"))),
            "Keep KUBECHAOS_START_DELAY",
        ),
    ],
}
RIGHT = [
    ("03.turns", "03.2", balanced("round-robin"), "by the ConfigMap"),
    ("03.affinity", "03.4", affinity("ClientIP"), "by a patch"),
    ("03.ready", "03.6", ready(manifest("with-probe.yaml")), "by the manifest"),
    ("03.ready", "03.6", ready(manifest("with-probe.yaml", ("path: /healthz", "path: /"))), "by another path"),
]


@pytest.mark.parametrize(
    ("identity", "section", "act", "sentence"), [(identity, *each) for identity in WRONG for each in WRONG[identity]]
)
def test_a_wrong_state_is_named(found: Found, identity: str, section: str, act: Act, sentence: str) -> None:
    assert sentence in found(identity, section, act)


@pytest.mark.parametrize(("identity", "section", "act", "route"), RIGHT)
def test_a_right_state_passes(found: Found, identity: str, section: str, act: Act, route: str) -> None:
    assert found(identity, section, act) == "", route


class Disturbed(Look):
    """What a check's visitor sees of turns when as many others connect in between as hides whose turn is next."""

    def again(self, anew: bool = False) -> Look:
        return Disturbed(self.cluster)

    def visits(self, service: str, requests: int = 400, **_: object) -> Visits:
        turn, pods = Random(1), [pod for _, pod, _, _ in self.cluster.endpoints(service)]
        seen = (Visit(number / 100, 0.001, 0, number, 1, turn.choice(pods), 200, 9, "") for number in range(requests))
        return Visits(seen)


def test_turns_that_other_visitors_disturb_are_not_blamed_on_the_mode(embedded: Cluster) -> None:
    catch_me_up("03.2")
    embedded.balance("round-robin")
    gap = exercise.first_gap(exercise.find("03.turns"), Disturbed(embedded))
    assert "The mode is round-robin, so other visitors take turns as well: stop sliders and probes" in gap
