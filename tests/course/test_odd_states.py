"""Whatever a learner makes of the cluster, checks, hints and the pages' own cells answer with a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from acts import rolled_out
from eventually import DEADLINE_SECONDS, eventually_says

from kubechaos_helpers import Cluster, CourseError, page, waiting
from kubechaos_helpers.course import catch_me_up, check, exercise, hints
from kubechaos_helpers.course.lesson import bring_to
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.files import shipped

BOTH = "manifests/05-chaos/both.yaml"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: kubechaos-svc}\nspec: "
SLICE = """---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubechaos-by-hand, labels: {kubernetes.io/service-name: kubechaos-svc}}
addressType: IPv4
ports: [{name: "", port: 3000}]
endpoints: [{addresses: [10.244.9.9]}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  selector: {matchExpressions: [{key: app, operator: In, values: [kubechaos, chaos]}, {key: version, operator: Exists}]}
  template:
    metadata: {labels: {app: kubechaos, version: %s}}
    spec:
      containers:
      - name: app
        image: local/kubechaos:v1
        command: [python3, -m, http.server, "3000"]
        env: %s
        lifecycle: {preStop: %s}
        readinessProbe: {exec: {command: [ls]}}
---
"""
FROM_A_FIELD = "{name: KUBECHAOS_START_DELAY, valueFrom: {fieldRef: {fieldPath: metadata.name}}}"


def odd_deployments(environment: str, hook: str) -> str:
    names = {"kubechaos": "x", "kubechaos-original": "original", "kubechaos-custom": "custom"}
    return "".join(DEPLOYMENT % (name, version, f"[{environment}]", hook) for name, version in names.items())


NODE_PORT = f"{SERVICE}{{type: NodePort, selector: {{app: kubechaos}}, ports: [{{port: 3000, targetPort: web}}]}}\n"
ODD = {
    "a Service by hand": f"{SERVICE}{{ports: [{{port: 3000}}]}}\n{SLICE}",
    "a Service without ports": f"{SERVICE}{{clusterIP: None, selector: {{app: kubechaos}}}}\n",
    "a port by a name that no container has": odd_deployments("", '{exec: {command: [" "]}}') + NODE_PORT,
    "settings from elsewhere": odd_deployments(FROM_A_FIELD, "{httpGet: {path: /, port: 3000}}") + NODE_PORT,
    "settings that are no numbers": (
        odd_deployments("{name: KUBECHAOS_START_DELAY, value: nan}", '{exec: {command: [sleep, "²"]}}') + NODE_PORT
    ),
}


@pytest.mark.parametrize("state", ODD)
def test_every_exercise_has_a_sentence_for(embedded: Cluster, state: str) -> None:
    bring_to(embedded, "")
    embedded.apply(ODD[state])
    rolled_out(embedded)
    try:
        for found in exercise.all_exercises().values():
            with contextlib.suppress(CourseError):  # which check and hints show as the sentence that it is
                next(found.gaps(Look(embedded)), "")
            with contextlib.suppress(CourseError):
                found.live_hint(Look(embedded))
    finally:
        if "by-hand" in ODD[state]:
            embedded.delete("endpointslice", "kubechaos-by-hand")
        bring_to(embedded, "")


@pytest.fixture
def puzzled(embedded: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An exercise whose check and hint meet what they do not know."""

    def puzzle(_: Look) -> Iterator[str]:
        raise KeyError("spec")
        yield ""

    unknown = exercise.Exercise("05.study", puzzle, "", lambda _: {}["spec"], ("", ""))
    exercise.all_exercises()  # registered before one of them is replaced
    monkeypatch.setitem(exercise._exercises, "05.study", unknown)
    return "05.study"


def test_a_check_and_a_hint_that_are_at_a_loss_say_so(puzzled: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "Exercise 05.study cannot judge what it found (KeyError: 'spec'). That is our mistake: please report it"
    check(puzzled)
    assert capsys.readouterr().out.startswith(f"Not yet. {sentence}")
    assert hints(puzzled).texts[0].startswith(sentence)


# --- catching up


def patch(cluster: Cluster, kind: str, name: str, change: Any) -> None:
    path = cluster.api.kind(kind).path(cluster.namespace, name)
    cluster.api.request("PATCH", path, None, change, "application/merge-patch+json")


def test_what_a_finalizer_holds_is_let_go(embedded: Cluster) -> None:
    bring_to(embedded, BOTH)
    held = {"metadata": {"finalizers": ["kubechaos.example/held"]}}
    pod = page.first(embedded, "pods", "version=original")["metadata"]["name"]
    before = embedded.read("deployment", "kubechaos-original")["metadata"]["uid"]
    for kind, name in (("deployment", "kubechaos-original"), ("service", "kubechaos-svc"), ("pod", pod)):
        patch(embedded, kind, name, held)
        path = embedded.api.kind(kind).path(embedded.namespace, name)
        embedded.api.request("DELETE", path)
        assert "deletionTimestamp" in embedded.api.find(path)["metadata"]
    bring_to(embedded, BOTH)
    assert embedded.read("deployment", "kubechaos-original")["metadata"]["uid"] != before
    assert "deletionTimestamp" not in embedded.read("service", "kubechaos-svc")["metadata"]
    assert embedded.api.find(embedded.api.kind("pods").path(embedded.namespace, pod)) is None


def test_nodes_that_take_no_pods_take_them_again(embedded: Cluster) -> None:
    bring_to(embedded, "")
    name = embedded.objects("nodes")[0]["metadata"]["name"]
    taint = {"key": "mine", "value": "yes", "effect": "NoSchedule"}
    patch(embedded, "node", name, {"spec": {"unschedulable": True, "taints": [taint]}})
    bring_to(embedded, BOTH)
    assert not embedded.read("node", name)["spec"].get("unschedulable")


# --- cells of the pages


def test_a_cell_that_needs_an_object_says_when_there_is_none(embedded: Cluster) -> None:
    bring_to(embedded, "")
    with pytest.raises(CourseError, match=r"There are no pods with app=kubechaos now. Run catch_me_up of this section"):
        page.first(embedded, "pods", "app=kubechaos")


def test_the_pod_that_was_taken_out_is_found_by_whatever_label(embedded: Cluster) -> None:
    catch_me_up("05.5")
    with pytest.raises(CourseError, match=r"Every pod belongs to a ReplicaSet, so there is none to study. Do the exer"):
        page.taken_out(embedded)
    name = page.first(embedded, "pods", "version=custom")["metadata"]["name"]
    embedded.label("pod", name, app="mine")
    pods = embedded.api.kind("pods")
    assert waiting.until(
        embedded.api, pods, "default", "app=mine", lambda seen: not _owned(seen[name]), DEADLINE_SECONDS
    )
    assert page.taken_out(embedded) == name


def _owned(pod: Any) -> bool:
    return bool(pod["metadata"].get("ownerReferences"))


def test_a_selector_by_expressions_is_followed_to_the_pods(embedded: Cluster) -> None:
    bring_to(embedded, "")
    embedded.apply(odd_deployments("", "{sleep: {seconds: 1}}").replace(":v1", ":v9"))

    def said() -> str:
        with pytest.raises(CourseError) as refusal:
            embedded.wait_until_ready("kubechaos-original", timeout=0.5)
        return str(refusal.value)

    eventually_says(said, "waits for the image local/kubechaos:v9")


def test_a_forward_follows_the_name_of_a_port(embedded: Cluster) -> None:
    text = shipped(BOTH).read_text().replace("targetPort: 3000", "targetPort: web")
    bring_to(embedded, BOTH)
    embedded.apply(text)
    with pytest.raises(CourseError, match=r"has no port named web; it has: none with a name. Set the Service's target"):
        embedded.port_forward("kubechaos-svc")
    embedded.apply(text.replace("- containerPort: 3000", "- {containerPort: 3000, name: web}"))
    embedded.wait_until_ready("kubechaos-original", "kubechaos-custom")
    embedded.wait_until_served_by("kubechaos-svc", 4)
    assert not embedded.port_forward("kubechaos-svc").probe(requests=2).errors


@pytest.mark.parametrize("way", ["inside", "api-server"])
def test_a_service_without_ports_is_named(embedded: Cluster, way: str) -> None:
    bring_to(embedded, "")
    embedded.apply(ODD["a Service without ports"])
    with pytest.raises(CourseError, match=r"Service kubechaos-svc has no port to visit."):
        embedded.probe("kubechaos-svc", via=way)
