"""What the exercises of page 06 find in wrong states, and that they pass by any route."""

from __future__ import annotations

import pytest
from acts import Act, Found, nothing, scaled
from eventually import eventually

from kubechaos_helpers import Cluster, CourseError, page
from kubechaos_helpers.course import exercise
from kubechaos_helpers.course.look import Look


def without_service(cluster: Cluster) -> None:
    cluster.delete("service", "kubechaos-svc")


def fifth_taken_out(cluster: Cluster) -> None:
    scaled(1, 4)(cluster)
    pod = cluster.objects("pods", "version=original")[0]["metadata"]["name"]
    cluster.scale("kubechaos-original", 0)
    cluster.wait_until_gone("pods", selector="version=original")
    eventually(
        lambda: {name for _, name, *_ in cluster.endpoints("kubechaos-svc")},
        f"{pod}, which has gone, is no longer behind the Service",
        so=lambda behind: pod not in behind,
    )


WRONG = [
    ("", nothing, "No ready pod is behind kubechaos-svc"),
    ("06.3", nothing, "4 ready pods are behind kubechaos-svc, so the first rule takes 0.25 of"),
    ("06.3", scaled(1, 2), "the first rule takes 0.333 of"),
    ("06.3", scaled(3, 3), "the first rule takes 0.167 of"),
    ("06.3", scaled(1, 0), "1 ready pod is behind kubechaos-svc, so the first rule takes 1 of"),
    ("06.3", without_service, "No ready pod is behind kubechaos-svc"),
    ("06.3", fifth_taken_out, "4 ready pods are behind"),
]


@pytest.mark.parametrize(("section", "act", "sentence"), WRONG)
def test_another_probability_is_named(found: Found, section: str, act: Act, sentence: str) -> None:
    assert sentence in found("06.fifth", section, act)


@pytest.mark.parametrize("act", [scaled(1, 4), scaled(3, 2)])
def test_any_five_ready_pods_pass(found: Found, act: Act) -> None:
    assert found("06.fifth", "06.3", act) == ""


CHAINS = [
    (None, "Give the check three numbers"),
    ([0.5, 0.5], "Give the check three numbers"),
    (["0.5", 0.5, 1], "Give the check three numbers"),
    ([50, 50, 100], "A rule takes from 0 to 1 of what reaches it; yours are [50, 50, 100]."),
    ([0.5, 0.25, 0.25], "The last rule leaves 28.1% of the connections without a pod."),
    ([0.5, 0.25, 1], "Your three pods get 50.0%, 12.5%, 37.5%."),
]


@pytest.mark.parametrize(("answer", "sentence"), CHAINS)
def test_a_chain_that_was_worked_out_wrongly_is_explained(embedded: Cluster, answer: object, sentence: str) -> None:
    assert exercise.first_gap(exercise.find("06.chain"), Look(embedded, answer)).startswith(sentence)


@pytest.mark.parametrize("answer", [[0.5, 0.5, 1], (0.5, 0.5, 1.0)])
def test_a_chain_that_gives_a_half_and_two_quarters_passes(embedded: Cluster, answer: object) -> None:
    assert exercise.first_gap(exercise.find("06.chain"), Look(embedded, answer)) == ""


def test_the_rules_that_the_page_shows_are_a_real_clusters(
    embedded: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = page.read_rules(embedded, "kubechaos-svc")
    assert "A real one wrote these:" in capsys.readouterr().out
    assert len(rules.shares) == 4


def test_there_are_no_recorded_rules_of_ipvs() -> None:
    with pytest.raises(CourseError, match=r"no recorded rules in mode 'ipvs'. Choose one of: iptables, nftables"):
        page.recorded_rules("ipvs")
