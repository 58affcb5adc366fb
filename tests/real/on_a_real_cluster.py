"""What only a cluster with real nodes, users and rights can show. Run by .ci/real on $KUBECHAOS_REAL_KUBECONFIG.

A namespace of its own is made for each test and removed. ``python3 lab.py test`` does not need this.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechaos_helpers import Cluster, CourseError, connect
from kubechaos_helpers.course.lesson import bring_to
from kubechaos_helpers.rules import ON_NODE

pytestmark = pytest.mark.timeout(300)
DUAL = "manifests/02-two-deployments-one-service/dual.yaml"
VISITORS, VISITS_EACH, WORKERS = 10_000, 2, 4
# So many requests a second are made by all of them together.
RATE = 400


KUBECONFIG = os.environ["KUBECHAOS_REAL_KUBECONFIG"]


def kubectl(*words: str, obj: Any = None) -> str:
    """What kubectl prints; an object is its standard input."""
    command = ["kubectl", "--kubeconfig", KUBECONFIG, *words]
    return subprocess.run(command, input=yaml.safe_dump(obj), capture_output=True, text=True, check=True).stdout


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", KUBECONFIG)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    name = "real-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def cluster(namespace: str) -> Cluster:
    return connect("kubeconfig", namespace)


@pytest.fixture
def lesson(cluster: Cluster) -> Cluster:
    cluster.build_missing_images()
    bring_to(cluster, DUAL)
    return cluster


def as_user(token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig of somebody who has this token alone."""
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    path = tmp_path / "theirs"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def account(namespace: str, role: str) -> str:
    """A service account with a role in its namespace, and a token for it."""
    kubectl("create", "serviceaccount", "learner", "-n", namespace)
    kubectl(
        "create",
        "rolebinding",
        "learner",
        f"--clusterrole={role}",
        f"--serviceaccount={namespace}:learner",
        "-n",
        namespace,
    )
    return kubectl("create", "token", "learner", "-n", namespace).strip()


def test_who_may_edit_one_namespace_can_learn_there(
    namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_user(account(namespace, "edit"), tmp_path, monkeypatch)
    theirs = connect("kubeconfig", namespace)
    assert f"You are system:serviceaccount:{namespace}:learner there, and may do all the course needs." in (
        capsys.readouterr().out
    )
    bring_to(theirs, DUAL)
    visits = theirs.probe("kubechaos-svc", requests=20)  # who may not look at nodes comes through the API server
    assert visits.errors == {}
    assert "API server" in capsys.readouterr().out


def test_who_may_only_look_is_refused_before_anything_is_made(
    namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user(account(namespace, "view"), tmp_path, monkeypatch)
    with pytest.raises(CourseError, match=r"you may not create, update, patch, delete pods;.*the role \"edit\" there"):
        connect("kubeconfig", namespace)


def test_who_may_not_make_namespaces_is_told(namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(account(namespace, "edit"), tmp_path, monkeypatch)
    with pytest.raises(CourseError, match=r"in namespace kubechaos-other you may not|You may not make the namespace"):
        connect("kubeconfig", "kubechaos-other")


def test_credentials_that_are_no_longer_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user("no-such-token", tmp_path, monkeypatch)
    with pytest.raises(CourseError, match=r"does not take your credentials: they are wrong, or have expired\. Log in"):
        connect("kubeconfig")


def test_a_namespace_that_is_being_deleted(namespace: str) -> None:
    held: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held"}}
    held["metadata"]["finalizers"] = ["course.test/held"]
    kubectl("create", "-n", namespace, "-f", "-", obj=held)
    kubectl("delete", "namespace", namespace, "--wait=false")
    try:
        with pytest.raises(CourseError, match=f"Namespace {namespace} of .* is being deleted, and nothing can be made"):
            connect("kubeconfig", namespace)
    finally:
        kubectl("patch", "configmap", "held", "-n", namespace, "-p", '{"metadata":{"finalizers":null}}')
        kubectl("wait", "--for=delete", f"namespace/{namespace}", "--timeout=60s")
        kubectl("create", "namespace", namespace)


def test_a_second_learner_in_the_namespace(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubechaos_helpers.access.me", lambda: "ben@laptop:/home/ben/my")
    with pytest.raises(
        CourseError, match=r"Another learner, .*, has worked in namespace .*\. Take a namespace of your"
    ):
        connect("kubeconfig", cluster.namespace)


def test_a_node_that_is_not_ready(namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "no-kubelet"}, "spec": {"unschedulable": True}}
    kubectl("create", "-f", "-", obj=node)
    try:
        connect("kubeconfig", namespace)
        assert (
            "Node no-kubelet is not Ready (its kubelet has not reported yet): its pods do not"
            in capsys.readouterr().out
        )
    finally:
        kubectl("delete", "node", "no-kubelet")


def test_an_image_that_the_nodes_cannot_pull(lesson: Cluster) -> None:
    kubectl("set", "image", "deployment/kubechaos-custom", "app=127.0.0.1:1/a:v1", "-n", lesson.namespace)
    with pytest.raises(CourseError, match=r"waits for the image 127\.0\.0\.1:1/a:v1, which its node cannot pull \("):
        lesson.wait_until_ready("kubechaos-custom", timeout=60)


def test_a_node_port_behind_a_firewall(lesson: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    on_node = os.environ[ON_NODE].split()
    port = str(lesson.node_port("kubechaos-svc"))
    rule = ["PREROUTING", "-t", "raw", "-p", "tcp", "--dport", port, "-j", "DROP"]
    subprocess.run([*on_node, "iptables", "-I", *rule], check=True)
    try:
        behind = connect("kubeconfig", lesson.namespace)
        visits = behind.probe("kubechaos-svc", visitors=2, requests=20)
    finally:
        subprocess.run([*on_node, "iptables", "-D", *rule], check=True)
    assert "No address of Service kubechaos-svc answers from here: is there a firewall?" in capsys.readouterr().out
    assert visits.errors == {}
    assert visits.loyal_visitors() == 0


def test_ten_thousand_visitors(lesson: Cluster) -> None:
    lesson.set_replicas("kubechaos-custom", 3)
    lesson.wait_quietly(["kubechaos-custom"])
    lesson.wait_until_served_by("kubechaos-svc", 4)
    began = time.monotonic()
    options: dict[str, Any] = {"keep_alive": False, "rate": RATE / VISITORS, "timeout": 20}
    visits = lesson.probe("kubechaos-svc", visitors=VISITORS, requests=VISITS_EACH, workers=WORKERS, **options)
    print(f"\n{WORKERS} workers, {time.monotonic() - began:.0f} s: {visits.reading()}")
    print(visits.by("version"))
    assert len({visit.visitor for visit in visits}) == VISITORS
    assert visits.errors == {}
    assert visits.by("version").matches("custom", 0.75).verdict
    assert lesson.objects("jobs") == []
