"""What the exercises of page 05 find in wrong states, and that they pass by any route."""

from __future__ import annotations

from typing import Any

import pytest
from acts import Act, Found, applied, deleted, nothing, patched, ready, rolled_out, steps
from eventually import eventually

from kubechaos_helpers import Cluster
from kubechaos_helpers.course import faults

LESSON = "manifests/05-chaos"
ORIGINAL, CUSTOM, SERVICE = "kubechaos-original", "kubechaos-custom", "kubechaos-svc"
PROBE = {"httpGet": {"path": "/healthz", "port": 3000}, "periodSeconds": 1}
SLEEP, SLEEP_BY_A_PROGRAM = {"sleep": {"seconds": 2}}, {"exec": {"command": ["sh", "-c", "sleep 2"]}}


def changed(manifest: str, *changes: tuple[str, str]) -> Act:
    return applied(f"{LESSON}/{manifest}", *changes)


def templated(name: str, grace: int | None = None, **fields: Any) -> Act:
    """A patch of the container in a Deployment's template, and of the pods' grace period."""
    spec: dict[str, Any] = {"containers": [{"name": "app", **fields}]}
    if grace is not None:
        spec["terminationGracePeriodSeconds"] = grace
    return patched("deployments", name, {"spec": {"template": {"spec": spec}}})


def scaled(name: str, replicas: int) -> Act:
    return lambda cluster: cluster.scale(name, replicas)


def delay(value: str) -> tuple[str, str]:
    """The setting KUBECHAOS_DELAY with another value."""
    return 'that each page takes\n          value: "3"', f'that each page takes\n          value: "{value}"'


# --- a pod that was taken out


def labelled(cluster: Cluster, **labels: str | None) -> str:
    """Change labels of a pod of the custom version, as ``kubectl label`` does; its name."""
    pod = str(cluster.objects("pods", "version=custom")[0]["metadata"]["name"])
    change = {"metadata": {"labels": labels}}
    patched("pods", pod, change)(cluster)
    return pod


def not_wholly_out(cluster: Cluster) -> None:
    labelled(cluster, version="mine")
    cluster.wait_until_served_by(SERVICE, 5)


def out_and_never_ready(cluster: Cluster) -> None:
    """The pod that is taken out is one that waits for its image."""
    patched("deployments", CUSTOM, {"spec": {"replicas": 0}})(cluster)
    cluster.wait_until_gone("pods", selector="version=custom")
    templated(CUSTOM, image="local/kubechaos:v9")(cluster)
    patched("deployments", CUSTOM, {"spec": {"replicas": 1}})(cluster)
    cluster.wait_until_served_by(SERVICE, 2)
    eventually(lambda: cluster.objects("pods", "version=custom"), "the custom pod is made")
    assert cluster.read("deployment", CUSTOM)["spec"]["replicas"] == 1
    labelled(cluster, app="in-study")


def not_replaced(cluster: Cluster) -> None:
    """The template runs no image that is there, so the pod that was taken out gets no successor."""
    labelled(cluster, app="in-study")
    cluster.wait_until_served_by(SERVICE, 4)
    templated(CUSTOM, image="local/kubechaos:v9")(cluster)


def taken_out(cluster: Cluster) -> None:
    pod = cluster.objects("pods", "version=custom")[0]["metadata"]["name"]
    cluster.label("pod", pod, app="in-study")


# A pod that no ReplicaSet ever had is not one that was taken out.
a_pod_of_ones_own = changed("stranger.yaml", ("app: kubechaos", "app: in-study"))


# --- a fault that was drawn


def broken(fault: Act) -> Act:
    return lambda cluster: faults.break_by(cluster, fault)


def selecting(app: str) -> Act:
    return patched("services", SERVICE, {"spec": {"selector": {"app": app}}})


TO_PORT = patched("services", SERVICE, {"spec": {"ports": [{"port": 3000, "targetPort": 3000}]}})
REPAIRED = steps(changed("both.yaml"), ready(ORIGINAL, CUSTOM, pods=4))
CANARY = steps(changed("canary.yaml"), ready(ORIGINAL, CUSTOM, pods=4))
FAILING = ("/healthz", "/nowhere")

WRONG = {
    "05.zero-lost": [
        ("", nothing, "There is no Deployment kubechaos-original with a Service kubechaos-svc. Apply your manifest."),
        ("05.4", nothing, "Without a readiness probe a new pod is in the Service before it listens"),
        ("05.4", deleted("service", SERVICE), "There is no Deployment kubechaos-original with a Service"),
        ("05.4", templated(ORIGINAL, readinessProbe=PROBE), "Without a preStop hook the program stops listening"),
        (
            "05.4",
            changed("zero-lost.yaml", ("PeriodSeconds: 10", "PeriodSeconds: 3")),
            "The grace period of 3 s is too short: the preStop hook and a page take 5 s",
        ),
        ("05.4", changed("zero-lost.yaml", delay("0")), "KUBECHAOS_DELAY is 0: keep it at 3"),
        ("05.4", changed("zero-lost.yaml", delay("2s")), "KUBECHAOS_DELAY is '2s', which is no number of seconds."),
        ("05.4", changed("zero-lost.yaml", ("KUBECHAOS_START_DELAY", "NONE")), "KUBECHAOS_START_DELAY is not set"),
        ("05.4", steps(changed("zero-lost.yaml"), scaled(ORIGINAL, 0)), "is to keep 0 pods. Give it 2"),
        (
            "05.4",
            steps(
                changed("zero-lost.yaml"),
                patched("deployments", ORIGINAL, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
            ),
            "`spec.strategy.type` is Recreate: all old pods end before a new one starts.",
        ),
        ("05.4", changed("zero-lost.yaml", FAILING), "Readiness probe failed: HTTP probe failed with statuscode: 404."),
        (
            "05.4",
            steps(changed("zero-lost.yaml", ("seconds: 2", "seconds: 0")), ready(ORIGINAL, pods=2)),
            "The preStop hook takes 0 s, and kube-proxy follows within one second. Let it take longer.",
        ),
    ],
    "05.study": [
        ("", nothing, "There are no Deployments behind a Service kubechaos-svc. Run catch_me_up of this section."),
        ("05.5", nothing, "Every pod belongs to a ReplicaSet (kubechaos-custom-"),
        ("05.5", a_pod_of_ones_own, "Every pod belongs to a ReplicaSet"),
        ("05.5", not_wholly_out, "have all that the Service selects, {'app': 'kubechaos'}. Change that label too."),
        ("05.5", out_and_never_ready, "is out, but it is not ready: there is nothing to study. Take another one."),
        ("05.5", not_replaced, "kubechaos-custom has no replacement yet. Pod kubechaos-custom-"),
        ("05.5", deleted("service", SERVICE), "There are no Deployments behind a Service kubechaos-svc."),
    ],
    "05.repair": [
        ("", nothing, "Nothing was broken yet: run the cell with page.break_something first."),
        ("05.7", nothing, "Nothing was broken yet"),
        ("05.7", broken(faults.wrong_selector), "selects {'app': 'kubechoas'}, but the pods have app=kubechaos."),
        ("05.7", broken(faults.wrong_target_port), "visitors are sent to port 3001 and refused"),
        ("05.7", broken(faults.failing_readiness), "kubechaos-custom does not have what it wants. Pod kubechaos-cu"),
        ("05.7", broken(faults.missing_image), "waits for the image local/kubechaos:v22"),
        (
            "05.7",
            steps(broken(faults.wrong_selector), deleted("service", SERVICE)),
            "There is no Service kubechaos-svc any more.",
        ),
        (
            "05.7",
            steps(broken(faults.missing_image), scaled(CUSTOM, 0)),
            "Nobody keeps pods of kubechaos-custom: it is not there, or is to keep 0.",
        ),
        (
            "05.7",
            steps(broken(faults.wrong_selector), patched("services", SERVICE, {"spec": {"selector": {"app": None}}})),
            "selects nothing",
        ),
    ],
    "05.rollback": [
        ("", nothing, "There is no Deployment kubechaos-custom. Apply the lesson's manifest."),
        (
            "05.8",
            nothing,
            "kubechaos-custom runs local/kubechaos:v2 and never ran the canary. Apply canary.yaml first.",
        ),
        ("05.8", CANARY, "kubechaos-custom still runs the canary, local/kubechaos:v3:"),
        (
            "05.8",
            steps(CANARY, changed("both.yaml"), scaled(CUSTOM, 0)),
            "that ends the errors, and the version too. Let it run what it ran before.",
        ),
        ("05.8", steps(CANARY, changed("never-ready.yaml")), "kubechaos-custom is not there yet. Pod kubechaos-cus"),
        ("05.8", steps(CANARY, deleted("deployment", CUSTOM)), "There is no Deployment kubechaos-custom."),
    ],
}


@pytest.mark.parametrize(
    ("identity", "section", "act", "sentence"), [(identity, *each) for identity in WRONG for each in WRONG[identity]]
)
def test_a_wrong_state_is_named(found: Found, identity: str, section: str, act: Act, sentence: str) -> None:
    assert sentence in found(identity, section, act)


# That zero-lost.yaml itself passes is seen where page 05 runs.
RIGHT = [
    (
        "05.zero-lost",
        "05.4",
        steps(
            templated(ORIGINAL, 20, readinessProbe=PROBE, lifecycle={"preStop": SLEEP_BY_A_PROGRAM}),
            ready(ORIGINAL, pods=2),
        ),
        "by a patch, with a program that sleeps",
    ),
    ("05.study", "05.5", taken_out, "by the helper"),
    ("05.study", "05.5", lambda cluster: labelled(cluster, app=None), "by taking the label away"),
    ("05.repair", "05.7", steps(broken(faults.wrong_selector), REPAIRED), "by the manifest"),
    ("05.repair", "05.7", steps(broken(faults.wrong_selector), selecting("kubechaos")), "by a patch"),
    ("05.repair", "05.7", steps(broken(faults.wrong_target_port), TO_PORT), "by a patch of the port"),
    (
        "05.repair",
        "05.7",
        steps(broken(faults.failing_readiness), templated(CUSTOM, readinessProbe=PROBE)),
        "by a patch of the probe",
    ),
    (
        "05.repair",
        "05.7",
        steps(broken(faults.missing_image), lambda cluster: cluster.build_image("custom", "local/kubechaos:v22")),
        "by building the image",
    ),
    ("05.rollback", "05.8", steps(CANARY, lambda cluster: cluster.undo(CUSTOM)), "by the helper"),
    ("05.rollback", "05.8", steps(CANARY, changed("both.yaml")), "by the manifest"),
    ("05.rollback", "05.8", steps(CANARY, templated(CUSTOM, image="local/kubechaos:v2")), "by a patch"),
]


@pytest.mark.parametrize(("identity", "section", "act", "route"), RIGHT)
def test_a_right_state_passes(found: Found, identity: str, section: str, act: Act, route: str) -> None:
    assert found(identity, section, steps(act, rolled_out)) == "", route
