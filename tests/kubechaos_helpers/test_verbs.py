"""The verbs print what kubectl would, and do to the cluster what kubectl would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS
from interrupting import interrupted

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.applying import LAST_APPLIED
from kubechaos_helpers.course import page
from kubechaos_helpers.manifests import load

LESSON = "manifests/02-two-deployments-one-service"
DUAL = Path(__file__).parents[1] / "parity" / "dual.yaml"


def test_apply_says_what_it_did_and_a_second_time_changes_nothing(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    dual = page.shipped(f"{LESSON}/dual.yaml")
    for word in ("created", "unchanged"):
        cluster.apply(dual)
        assert capsys.readouterr().out == (
            f"$ kubectl apply -f {LESSON}/dual.yaml\n"
            f"deployment.apps/kubechaos-original {word}\n"
            f"deployment.apps/kubechaos-custom {word}\n"
            f"service/kubechaos-svc {word}\n"
        )


def test_apply_removes_what_the_last_apply_said_and_keeps_what_others_set(cluster: Cluster) -> None:
    text = page.shipped(f"{LESSON}/dual.yaml").read_text()
    cluster.apply(
        text.replace("  labels:\n    app: kubechaos\nspec", "  labels:\n    app: kubechaos\n    tier: x\nspec")
    )
    assert cluster.read("deployment", "kubechaos-custom")["metadata"]["labels"]["tier"] == "x"
    cluster.set_replicas("kubechaos-custom", 2)
    port = cluster.node_port("kubechaos-svc")
    cluster.apply(text.replace("  replicas: 1\n", ""))
    changed = cluster.read("deployment", "kubechaos-custom")
    assert "tier" not in changed["metadata"]["labels"]
    assert cluster.node_port("kubechaos-svc") == port


def test_kubectl_understands_what_the_helper_applied(cluster: Cluster, kubectl: str) -> None:
    dual = page.shipped(f"{LESSON}/dual.yaml")
    cluster.apply(dual)
    done = _kubectl(kubectl, "apply", "-f", str(dual))
    assert done.stderr == ""
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["unchanged"] * 3
    noted = cluster.read("service", "kubechaos-svc")["metadata"]["annotations"][LAST_APPLIED]
    assert json.loads(noted)["spec"]["type"] == "NodePort"


def test_get_prints_what_kubectl_prints(lesson: Cluster, kubectl: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, options in (
        (("get", "deployments"), {"what": "deployments"}),
        (("get", "pods", "-o", "wide"), {"what": "pods", "output": "wide"}),
        (("get", "pods", "-L", "version"), {"what": "pods", "labels": "version"}),
        (("get", "deployments,services"), {"what": "deployments,services"}),
        (("get", "pods", "-l", "app=nosuch"), {"what": "pods", "selector": "app=nosuch"}),
    ):
        lesson.get(**options)  # type: ignore[arg-type]
        said = capsys.readouterr().out.split("\n", 1)[1]
        real = _kubectl(kubectl, *arguments)
        assert _without_ages(said) == _without_ages(real.stdout + real.stderr)


def _kubectl(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kubeconfig = str(Path(os.environ["POCKET_CLUSTER_HOME"]) / "kubeconfig")
    command = [program, "--kubeconfig", kubeconfig, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def _without_ages(text: str) -> list[list[str]]:
    return [[word for word in line.split() if not word.rstrip("smh").isdigit()] for line in text.splitlines()]


def test_the_lessons_manifest_equals_the_workshops_object_for_object_and_comment_for_comment() -> None:
    own = page.shipped(f"{LESSON}/dual.yaml")
    assert load(own) == load(DUAL)
    assert own.read_text() == DUAL.read_text()


def test_delete_waits_until_the_object_is_gone(lesson: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    lesson.delete("deployment", "kubechaos-custom")
    assert 'deployment.apps "kubechaos-custom" deleted from default namespace' in capsys.readouterr().out
    assert [each["metadata"]["name"] for each in lesson.objects("deployments")] == ["kubechaos-original"]


def test_scale_and_wait_and_the_addresses_behind_the_service(lesson: Cluster) -> None:
    lesson.scale("kubechaos-custom", 3)
    lesson.wait_until_ready("kubechaos-custom")
    lesson.wait_until_served_by("kubechaos-svc", 4)
    versions = [version for _, _, version, ready in lesson.endpoints("kubechaos-svc") if ready]
    assert sorted(versions) == ["custom", "custom", "custom", "original"]


def test_a_probe_sees_both_versions_and_knows_them_by_their_pods_labels(lesson: Cluster) -> None:
    visits = lesson.probe("kubechaos-svc", visitors=4, requests=25, keep_alive=False)
    assert visits.errors == {}
    assert set(visits.by("version").shares) == {"original", "custom"}


PROBE = """
from kubechaos_helpers import connect
from kubechaos_helpers.running_probe import RunningProbe
seen, tell = [0], RunningProbe._tell
RunningProbe._tell = lambda self, number: (seen.append(number), tell(self, number))
visits = connect().probe("kubechaos-svc", requests=1000000, keep_alive=True, rate=20)
print(f"interrupted: {visits.interrupted}, visits: {0 < len(visits) < 1000000}")
"""


@pytest.mark.usefixtures("lesson")
def test_a_probe_that_is_interrupted_keeps_what_it_saw() -> None:
    assert interrupted(PROBE, "_wait", "seen[-1] >= 10").endswith("interrupted: True, visits: True\n")


WAIT = """
from kubechaos_helpers import CourseError, connect
try:
    connect().wait_until_ready("web", timeout=3600)
except CourseError as error:
    print(error)
"""


def test_a_wait_that_is_interrupted_ends_at_once(cluster: Cluster) -> None:
    cluster.apply(_manifest(image="local/kubechaos:nosuch"))
    assert "You interrupted the wait. The cluster goes on with what it does" in interrupted(WAIT, "follow")


def _manifest(image: str) -> str:
    text = page.shipped(f"{LESSON}/start.yaml").read_text().split("---")[0]
    return text.replace("name: kubechaos", "name: web", 1).replace("local/kubechaos:v1", image)


def test_the_service_is_known_by_its_node_port_and_refuses_when_it_has_none(lesson: Cluster) -> None:
    assert lesson.url("kubechaos-svc") == f"http://127.0.0.1:{lesson.node_port('kubechaos-svc')}"
    with pytest.raises(CourseError, match="has no node port"):
        lesson.url("kubernetes")


def test_scaling_is_not_disturbed_by_what_others_change_at_the_same_time(lesson: Cluster) -> None:
    path = lesson.api.kind("deployments").path(lesson.namespace, "kubechaos-custom")
    is_over = threading.Event()

    def annotate() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            change = {"metadata": {"annotations": {"number": str(number)}}}
            lesson.api.request("PATCH", path, None, change, "application/merge-patch+json")

    other = threading.Thread(target=annotate)
    other.start()
    try:
        for replicas in [1, 2] * 20:
            lesson.set_replicas("kubechaos-custom", replicas)
    finally:
        is_over.set()
        other.join()
    assert lesson.read("deployment", "kubechaos-custom")["spec"]["replicas"] == 2


def test_a_restart_replaces_the_pods(lesson: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(lesson.versions())
    lesson.restart("kubechaos-custom")
    lesson.wait_until_ready("kubechaos-custom")
    lesson.wait_until_gone("pods", "version=custom", left=1)
    assert "deployment.apps/kubechaos-custom restarted" in capsys.readouterr().out
    assert len(set(lesson.versions()) - before) == 1
    with pytest.raises(CourseError, match="There is no Deployment nosuch"):
        lesson.restart("nosuch")


def test_the_embedded_proxy_is_switched_and_a_mode_that_does_not_exist_is_refused(lesson: Cluster) -> None:
    lesson.balance("round-robin")
    assert lesson.probe("kubechaos-svc", requests=200, keep_alive=False).order().verdict == "round-robin"
    lesson.balance("random")
    with pytest.raises(CourseError, match="There is no mode 'least'"):
        lesson.balance("least")


def test_the_embedded_proxy_takes_its_time_when_told_and_a_pace_that_is_none_is_refused(
    lesson: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    lesson.pace(1)
    assert "kube-proxy changes its rules 1 s apart at least now." in capsys.readouterr().out
    lesson.pace(0)
    assert "kube-proxy changes its rules at once now." in capsys.readouterr().out
    with pytest.raises(CourseError, match="kube-proxy cannot wait -1 seconds"):
        lesson.pace(-1)


@pytest.mark.parametrize("via", ["inside", "api-server"])
def test_other_doors_to_a_service_choose_a_pod_each_time(lesson: Cluster, via: str) -> None:
    visits = lesson.probe("kubechaos-svc", via=via, requests=600)
    assert visits.order().verdict == "random"
    assert set(visits.by("version").shares) == {"custom", "original"}


def test_a_forward_leads_to_one_pod_until_that_ends(lesson: Cluster) -> None:
    forward = lesson.port_forward("kubechaos-svc")
    assert forward.probe(10).pods == [forward.pod]
    lesson.delete("pod", forward.pod)
    assert forward.probe(3).errors == {"no answer": 3}


def test_a_way_that_does_not_exist_and_a_service_without_pods_get_a_sentence(lesson: Cluster) -> None:
    with pytest.raises(CourseError, match=r"There is no way 'tunnel' to a Service. Choose one of: inside, api-server"):
        lesson.probe("kubechaos-svc", via="tunnel")
    lesson.scale("kubechaos-custom", 0)
    lesson.scale("kubechaos-original", 0)
    lesson.wait_until_served_by("kubechaos-svc", 0)
    for go in (lambda: lesson.probe("kubechaos-svc", via="inside"), lambda: lesson.port_forward("kubechaos-svc")):
        with pytest.raises(CourseError, match="No ready pod is behind Service kubechaos-svc"):
            go()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system does not list processes in /proc")
def test_a_cluster_that_was_paused_goes_on_with_the_same_pods(lesson: Cluster) -> None:
    """As when a laptop's lid was closed for a while: every process of the cluster stands still, then goes on."""
    before = set(lesson.versions())
    home = os.environ["POCKET_CLUSTER_HOME"]
    processes = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _belongs_to(path, home)]
    assert len(processes) > 5
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        time.sleep(3)  # the pause itself
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    visits = lesson.probe("kubechaos-svc", requests=100, keep_alive=False, timeout=DEADLINE_SECONDS)
    assert not visits.errors
    assert set(lesson.versions()) == before


def _belongs_to(process: Path, home: str) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(Path(home).resolve())
    except OSError:
        return False
