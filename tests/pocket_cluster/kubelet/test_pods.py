"""Pods in a whole cluster: what a learner's pod does, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from component import process_of
from eventually import eventually, eventually_says

from pocket_cluster import lifecycle
from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.objects import pod_is_ready
from pocket_cluster.api.resources import CONFIG_MAPS, EVENTS, PODS
from pocket_cluster.home import Home
from pocket_cluster.kubelet.images import build_image

APP = """
import http.server, os, signal, socket, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if "broken" in self.path else 200); self.end_headers()
        self.wfile.write(socket.gethostname().encode())
    def log_message(self, *_): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", 3000), Page).serve_forever()
"""


class Cluster:
    """A cluster of its own, and waiting for what its pods come to."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def do(self, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            async with Client(self.home.credentials("admin"), "test") as client:
                return await work(client)

        return asyncio.run(run())

    def create(self, name: str, container: dict[str, Any] | None = None, **spec: Any) -> None:
        base = {"name": "app", "image": "local/app:v1", **(container or {})}
        wanted = {"terminationGracePeriodSeconds": 1, "containers": [base], **spec}
        pod = {"metadata": {"name": name}, "spec": wanted}
        self.do(lambda client: client.create(PODS, pod, "default"))

    def pod(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.do(lambda client: client.get(PODS, name, "default"))
        except ApiError as error:
            if error.code != 404:
                raise
            return None
        return found

    def wait(self, name: str, is_so: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        found = eventually(lambda: self.pod(name), f"pod {name}", so=lambda pod: pod and is_so(pod))
        assert found
        return found

    def wait_gone(self, name: str) -> None:
        eventually(lambda: self.pod(name), f"pod {name} is gone", so=lambda pod: pod is None)

    def wait_files_gone(self, pod: dict[str, Any]) -> None:
        folder = self.home.pods_dir / pod["metadata"]["uid"]
        eventually(lambda: not folder.exists(), f"{folder} is gone")

    def delete(self, name: str, grace: int | None = None) -> None:
        self.do(lambda client: client.delete(PODS, name, "default", grace_period=grace))

    def wait_event(self, name: str, reason: str) -> str:
        """The message of the first event for that reason."""
        selector = f"involvedObject.name={name},reason={reason}"
        found = eventually(
            lambda: self.do(lambda client: client.list(EVENTS, "default", field_selector=selector)).items,
            f"an event {reason} of {name}",
        )
        return str(found[0]["message"])

    def log(self, name: str, query: str = "") -> str:
        return lifecycle._get(self.home, f"/api/v1/namespaces/default/pods/{name}/log?{query}").decode()

    def wait_log(self, name: str, text: str, query: str = "") -> str:
        return eventually_says(lambda: self.log(name, query), text)

    def kill(self, component: str) -> None:
        os.kill(process_of(self.home, component), signal.SIGKILL)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    context = tmp_path_factory.mktemp("app")
    (context / "app.py").write_text(APP)
    (context / "Containerfile").write_text('FROM python:3\nWORKDIR /src\nCOPY app.py .\nCMD ["python", "app.py"]\n')
    return context


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, context: Path) -> Iterator[Cluster]:
    home = Home(tmp_path_factory.mktemp("pods"))
    build_image(home, context, "local/app:v1")
    lifecycle.up(home)
    yield Cluster(home)
    lifecycle.down(home)


def state(pod: dict[str, Any]) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{"state": {}}]
    found: dict[str, Any] = statuses[0]["state"]
    return found


def waits_for(reason: str) -> Callable[[dict[str, Any]], bool]:
    return lambda pod: (state(pod).get("waiting") or {}).get("reason") == reason


def restarts(pod: dict[str, Any]) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"]) if pod["status"].get("containerStatuses") else 0


def shell(text: str) -> dict[str, Any]:
    return {"command": ["sh", "-c", text]}


def python(text: str) -> dict[str, Any]:
    return {"command": ["python", "-u", "-c", text]}


def test_a_pod_answers_at_its_address_with_its_name_and_ends_when_asked(cluster: Cluster) -> None:
    probe = {"httpGet": {"path": "/", "port": 3000}}
    cluster.create("web", {"readinessProbe": probe}, terminationGracePeriodSeconds=3600)
    pod = cluster.wait("web", pod_is_ready)
    assert pod["status"]["podIP"].startswith("10.244.")
    connection = http.client.HTTPConnection(*cluster.home.addresses.to_local_socket((pod["status"]["podIP"], 3000)))
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"web"
    assert cluster.wait_event("web", "Started") == "Container started"
    assert cluster.log("web") == "serving\n"
    cluster.delete("web")
    cluster.wait_gone("web")
    cluster.wait_files_gone(pod)


def test_a_pod_that_never_becomes_ready_says_why(cluster: Cluster) -> None:
    cluster.create("broken", {"readinessProbe": {"httpGet": {"path": "/broken", "port": 3000}}})
    assert cluster.wait_event("broken", "Unhealthy") == "Readiness probe failed: HTTP probe failed with statuscode: 500"
    assert not pod_is_ready(cluster.wait("broken", lambda pod: "running" in state(pod)))


def test_a_pod_that_is_not_alive_is_restarted(cluster: Cluster) -> None:
    probe = {"tcpSocket": {"port": 3001}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.create("dead", {"livenessProbe": probe})
    pod = cluster.wait("dead", lambda pod: restarts(pod) >= 1)
    address = pod["status"]["podIP"]
    refused = f"Liveness probe failed: dial tcp {address}:3001: connect: connection refused"
    assert cluster.wait_event("dead", "Unhealthy") == refused
    assert cluster.wait_event("dead", "Killing") == "Container app failed liveness probe, will be restarted"


def test_a_pod_that_crashes_at_start_backs_off_and_its_last_words_can_be_read(cluster: Cluster) -> None:
    cluster.create("crash", python("import sys; print('boom'); sys.exit(3)"))
    pod = cluster.wait("crash", waits_for("CrashLoopBackOff"))
    status = pod["status"]["containerStatuses"][0]
    assert state(pod)["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=app pod=crash_default("
    )
    assert (status["lastState"]["terminated"]["exitCode"], status["restartCount"]) == (3, 1)
    assert cluster.log("crash") == cluster.log("crash", "previous=true") == "boom\n"
    assert cluster.wait_event("crash", "BackOff").startswith("Back-off restarting failed container app in pod crash_")


def test_an_image_that_was_not_built_is_explained(cluster: Cluster) -> None:
    cluster.create("noimage", {"image": "local/nosuch:v9"})
    pod = cluster.wait("noimage", waits_for("ErrImagePull"))
    assert state(pod)["waiting"]["message"].endswith("pocket-cluster build FOLDER local/nosuch:v9")
    pod = cluster.wait("noimage", waits_for("ImagePullBackOff"))
    assert state(pod)["waiting"]["message"].startswith('Back-off pulling image "local/nosuch:v9": ErrImagePull: ')
    cluster.create("never", {"image": "local/nosuch:v9", "imagePullPolicy": "Never"})
    assert cluster.wait("never", waits_for("ErrImageNeverPull"))


def test_a_program_that_is_not_there_is_explained(cluster: Cluster) -> None:
    cluster.create("nocommand", {"command": ["nosuch"]})
    pod = cluster.wait("nocommand", waits_for("RunContainerError"))
    assert state(pod)["waiting"]["message"].endswith('exec: "nosuch": executable file not found in $PATH')


def test_a_pod_waits_for_its_config_map_and_its_files_follow_it(cluster: Cluster) -> None:
    watching = "import time\nwhile True: print(open('/etc/config/colour').read(), flush=True); time.sleep(0.05)"
    variable = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}
    mount = {"name": "config", "mountPath": "/etc/config"}
    cluster.create("variable", {"env": [variable]})
    source = [{"name": "config", "configMap": {"name": "settings"}}]
    cluster.create("files", {**python(watching), "volumeMounts": [mount]}, volumes=source)
    pod = cluster.wait("variable", waits_for("CreateContainerConfigError"))
    assert state(pod)["waiting"]["message"] == 'configmap "settings" not found'
    missing = 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found'
    assert cluster.wait_event("files", "FailedMount") == missing
    settings = {"metadata": {"name": "settings"}, "data": {"colour": "teal"}}
    cluster.do(lambda client: client.create(CONFIG_MAPS, settings, "default"))
    for name in ("variable", "files"):
        cluster.wait(name, pod_is_ready)
    cluster.wait_log("files", "teal\n")
    change = {"data": {"colour": "plum"}}
    cluster.do(lambda client: client.patch(CONFIG_MAPS, "settings", change, "default"))
    cluster.wait_log("files", "plum\n", "tailLines=1")


def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_period_is_over(cluster: Cluster) -> None:
    """Two of them, one of which is given time for ever: it is still there when the other one is gone."""
    deaf = "import signal, time; signal.signal(15, lambda *_: print('asked')); print('deaf')\nwhile True: time.sleep(9)"
    for name, seconds in (("patient", 3600), ("deaf", 2)):
        cluster.create(name, python(deaf), terminationGracePeriodSeconds=seconds)
        cluster.wait(name, pod_is_ready)
        cluster.wait_log(name, "deaf")
        cluster.delete(name)
        assert cluster.wait_event(name, "Killing") == "Stopping container app"
    cluster.wait_log("patient", "asked")
    cluster.wait_gone("deaf")
    assert "running" in state(cluster.pod("patient") or {})
    cluster.delete("patient", grace=0)
    cluster.wait_gone("patient")


def test_before_a_container_is_stopped_its_hook_runs_and_after_its_start_another(cluster: Cluster) -> None:
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /tmp/hooks"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "exit 9"]}},
    }
    program = (
        "import os, time\nwhile not os.path.exists('/tmp/hooks'): time.sleep(0.01)\nprint('seen'); time.sleep(4321)"
    )
    cluster.create("hooked", {**python(program), "lifecycle": hooks})
    cluster.wait("hooked", pod_is_ready)
    cluster.wait_log("hooked", "seen")
    cluster.delete("hooked")
    assert cluster.wait_event("hooked", "FailedPreStopHook") == "PreStopHook failed"


def test_init_containers_run_one_after_the_other_before_the_others(cluster: Cluster) -> None:
    first = {"name": "first", "image": "local/app:v1", **shell("echo 1 > /data/order")}
    second = {"name": "second", "image": "local/app:v1", **shell("echo 2 >> /data/order")}
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    cluster.create(
        "ordered",
        {**shell("cat /data/order; sleep 4321"), **mount},
        initContainers=[{**first, **mount}, {**second, **mount}],
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    pod = cluster.wait("ordered", pod_is_ready)
    assert [each["ready"] for each in pod["status"]["initContainerStatuses"]] == [True, True]
    cluster.wait_log("ordered", "1\n2\n", "container=app")


def test_containers_of_a_pod_share_its_address_and_have_files_of_their_own(cluster: Cluster) -> None:
    visit = """
import time, urllib.error, urllib.request
while True:
    try:
        print(urllib.request.urlopen("http://localhost:3000").read())
        break
    except urllib.error.URLError:  # the other container does not listen yet
        time.sleep(0.05)
time.sleep(4321)
"""
    visitor = {"name": "visitor", "image": "local/app:v1", **python(visit)}
    cluster.create("two", containers=[{"name": "app", "image": "local/app:v1"}, visitor])
    cluster.wait("two", pod_is_ready)
    cluster.wait_log("two", "b'two'", "container=visitor")


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (7, "Failed")])
def test_a_pod_that_is_not_restarted_ends_in_a_phase(cluster: Cluster, code: int, phase: str) -> None:
    words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    cluster.create(f"once-{code}", {**shell(f"echo last words; exit {code}"), **words}, restartPolicy="Never")
    pod = cluster.wait(f"once-{code}", lambda pod: pod["status"]["phase"] == phase)
    terminated = state(pod)["terminated"]
    assert terminated["exitCode"] == code
    assert terminated.get("message", "") == ("last words\n" if code else "")


def test_a_pod_can_be_forced_away(cluster: Cluster) -> None:
    cluster.create("forced", shell("sleep 4321"), terminationGracePeriodSeconds=60)
    pod = cluster.wait("forced", pod_is_ready)
    cluster.delete("forced", grace=0)
    cluster.wait_gone("forced")
    cluster.wait_files_gone(pod)


def test_pods_outlive_the_kubelet_and_are_restarted_after_the_runtime(cluster: Cluster) -> None:
    cluster.create("lasting")
    before = cluster.wait("lasting", pod_is_ready)["status"]["containerStatuses"][0]["containerID"]
    cluster.kill("kubelet")
    cluster.create("later")
    cluster.wait("later", pod_is_ready)
    pod = cluster.wait("lasting", pod_is_ready)
    assert (pod["status"]["containerStatuses"][0]["containerID"], restarts(pod)) == (before, 0)
    cluster.kill("runtime")
    pod = cluster.wait("lasting", lambda pod: restarts(pod) == 1 and pod_is_ready(pod))
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "Unknown"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system does not list processes in /proc")
def test_when_a_cluster_is_down_nothing_runs_of_its_pods(tmp_path: Path, context: Path) -> None:
    home = Home(tmp_path / "another")
    build_image(home, context, "local/app:v1")
    lifecycle.up(home)
    try:
        another = Cluster(home)
        another.create("web", shell("sleep 4321 & sleep 4321"), terminationGracePeriodSeconds=3600)
        another.wait("web", pod_is_ready)
        assert _processes_of(home) != []
    finally:
        lifecycle.down(home)
    assert _processes_of(home) == []


def _processes_of(home: Home) -> list[str]:
    """The command lines that name that home."""
    return [found for path in Path("/proc").glob("[0-9]*/cmdline") if str(home.path) in (found := _text(path))]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_no_path_in_a_manifest_makes_the_kubelet_touch_anything_outside(cluster: Cluster, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter").write_text("words")
    up = "/.." * 20
    container = {
        "command": ["sleep", "1000"],
        "volumeMounts": [{"name": "v", "mountPath": f"{up}{thesis}"}],
        "terminationMessagePath": f"{up}{thesis}/chapter",
        "workingDir": f"{up}{tmp_path}/made",
    }
    cluster.create("far", container, volumes=[{"name": "v", "emptyDir": {}}])
    cluster.wait("far", lambda pod: "running" in state(pod))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]
    assert not thesis.is_symlink()
    assert (thesis / "chapter").read_text() == "words"
    cluster.delete("far")


def test_a_mount_on_the_root_ends_as_it_does_on_a_real_node(cluster: Cluster) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/"}]}
    cluster.create("root", mount, volumes=[{"name": "v", "emptyDir": {}}], restartPolicy="Never")
    ended = state(cluster.wait("root", lambda pod: "terminated" in state(pod)))["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert ended["message"].endswith("error closing exec fds: open /proc/self/fd: no such file or directory")
    cluster.delete("root")
