"""A cluster starts once, says where it is, survives being killed and leaves everything else alone."""

import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from component import process_of
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster import lifecycle
from pocket_cluster.home import Home


def run(home: Home, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``pocket-cluster`` as a user would, with nothing of the test's own configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pocket_cluster", "--home", str(home.path), *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("lifecycle"))
    yield home
    lifecycle.down(home)


def test_two_ups_at_once_start_one_cluster(home: Home) -> None:
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: run(home, "up"), range(2)))
    assert [answer.returncode for answer in answers] == [0, 0], [answer.stderr for answer in answers]
    assert sorted("already" in answer.stdout for answer in answers) == [False, True]


def test_up_again_changes_nothing(home: Home) -> None:
    run(home, "up")
    supervisor = (home.run_dir / "supervisor.pid").read_text()
    assert "up already" in run(home, "up").stdout
    assert (home.run_dir / "supervisor.pid").read_text() == supervisor


def test_the_kubeconfig_is_private_and_the_users_own_is_not_touched(home: Home, tmp_path: Path) -> None:
    own = tmp_path / ".kube" / "config"
    own.parent.mkdir()
    own.write_text("not even YAML: [")
    assert run(home, "up", HOME=str(tmp_path), KUBECONFIG=str(own)).returncode == 0
    assert run(home, "kubeconfig").stdout.strip() == str(home.kubeconfig)
    assert stat.S_IMODE(home.kubeconfig.stat().st_mode) == 0o600
    assert own.read_text() == "not even YAML: ["


def test_status_says_what_runs_and_where(home: Home) -> None:
    run(home, "up")
    said = run(home, "status").stdout
    assert "is up" in said
    assert home.server in said
    assert str(home.kubeconfig) in said


def test_an_anonymous_request_is_refused_but_for_health_and_version(home: Home) -> None:
    run(home, "up")
    context = ssl.create_default_context(cafile=home.path / "ca.crt")
    answers = {}
    for path in ("/healthz", "/livez", "/readyz", "/version", "/api/v1/pods"):
        connection = http.client.HTTPSConnection("127.0.0.1", home.api_port, timeout=DEADLINE_SECONDS, context=context)
        connection.request("GET", path)
        answers[path] = connection.getresponse().status
        connection.close()
    assert answers == {"/healthz": 200, "/livez": 200, "/readyz": 200, "/version": 200, "/api/v1/pods": 401}


def test_after_everything_was_killed_the_next_up_finds_the_same_objects(home: Home) -> None:
    run(home, "up")
    before = lifecycle.ask(home, "/api/v1/namespaces/default")
    os.killpg(int((home.run_dir / "supervisor.pid").read_text()), signal.SIGKILL)
    assert run(home, "up").returncode == 0
    assert lifecycle.ask(home, "/api/v1/namespaces/default") == before


def test_every_write_that_was_answered_before_a_kill_is_there_after_the_next_up(home: Home) -> None:
    run(home, "up")
    answered: dict[str, str] = {}
    enough = threading.Event()
    writers = [threading.Thread(target=_write_until_refused, args=(home, each, answered, enough)) for each in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(DEADLINE_SECONDS)
    os.killpg(int((home.run_dir / "supervisor.pid").read_text()), signal.SIGKILL)
    for writer in writers:
        writer.join(DEADLINE_SECONDS)
    assert run(home, "up").returncode == 0
    items = lifecycle.ask(home, "/api/v1/namespaces/default/configmaps")["items"]
    found = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
    assert len(answered) > 100
    assert {name: found.get(name) for name in answered} == answered


def _write_until_refused(home: Home, writer: int, answered: dict[str, str], enough: threading.Event) -> None:
    """Create ConfigMaps as fast as answers come, and note each answer's resourceVersion."""
    credentials = home.credentials("admin")
    context = ssl.create_default_context(cafile=credentials.ca_file)
    headers = {"Authorization": f"Bearer {credentials.token}", "Content-Type": "application/json"}
    for number in range(10_000):
        name = f"written-{writer}-{number}"
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).encode()
        url = f"{credentials.server}/api/v1/namespaces/default/configmaps"
        request = urllib.request.Request(url, body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS, context=context) as answer:
                answered[name] = json.load(answer)["metadata"]["resourceVersion"]
        except OSError:
            return
        if len(answered) > 200:
            enough.set()


@pytest.mark.parametrize("component", ["apiserver", "runtime", "controllers", "kubelet", "kube-proxy"])
def test_a_component_that_is_killed_comes_back(home: Home, component: str) -> None:
    run(home, "up")
    before = process_of(home, component)
    os.kill(before, signal.SIGKILL)
    assert run(home, "up").returncode == 0
    eventually(lambda: process_of(home, component), f"another {component}", so=lambda now: now != before)
    assert f"{component} ended with -9" in (home.logs_dir / "supervisor.log").read_text()


def test_down_stops_it_and_says_so_once(home: Home) -> None:
    run(home, "up")
    assert run(home, "down").stdout == "The pocket cluster is down.\n"
    assert run(home, "down").stdout == "The pocket cluster was not up.\n"
    assert "is down" in run(home, "status").stdout


def test_reset_forgets_objects_and_keeps_keys_and_images(home: Home) -> None:
    run(home, "up")
    keys = (home.path / "ca.crt").read_bytes()
    assert run(home, "reset").returncode == 0
    assert run(home, "up").returncode == 0
    assert (home.path / "ca.crt").read_bytes() == keys
    names = [item["metadata"]["name"] for item in lifecycle.ask(home, "/api/v1/namespaces")["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]


def test_a_port_that_somebody_else_took_is_replaced_in_the_kubeconfig(home: Home) -> None:
    run(home, "up")
    run(home, "down")
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", home.api_port))
        thief.listen()
        taken = home.server
        assert run(home, "up").returncode == 0
    assert home.server != taken
    kubeconfig = json.loads(home.kubeconfig.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == home.server


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/1").exists(), reason="needs a folder that cannot be written")
def test_a_home_that_cannot_be_written_is_refused_with_a_sentence() -> None:
    done = run(Home("/proc/1/no-such-home"), "up")
    assert done.returncode == 1
    assert done.stderr.startswith("The pocket cluster keeps its data in /proc/1/no-such-home, and that folder cannot")
    assert "POCKET_CLUSTER_HOME=FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, unbuffered: str) -> None:
    """As ``pocket-cluster up | head -1``; 141 is what a shell says of SIGPIPE."""
    Home(tmp_path).kubeconfig.touch()
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "pocket_cluster", "--home", tmp_path, "kubeconfig"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=environment, timeout=DEADLINE_SECONDS)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
