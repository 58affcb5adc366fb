"""Work and harm in an order drawn from a seed: what was acknowledged is there afterwards, and nothing else is left.

``KUBECHAOS_CHAOS=500`` makes more steps, ``KUBECHAOS_CHAOS_SEED`` others. Steps are counted, not timed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import ssl
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from component import commands_in, process_of
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster import lifecycle
from pocket_cluster.health import PROCESSES
from pocket_cluster.home import Home
from pocket_cluster.kubelet.images import build_image

STEPS = int(os.environ.get("KUBECHAOS_CHAOS") or 40)
SEED = int(os.environ.get("KUBECHAOS_CHAOS_SEED") or 1)
IMAGES = Path(__file__).parents[2] / "images"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIG_MAPS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
LABELS = {"app": "chaos"}
MERGE = "application/merge-patch+json"
UNANSWERED = (ConnectionError, http.client.HTTPException, ssl.SSLError, urllib.error.URLError, TimeoutError)
Answer = Any
MOST_SILENT = 300  # so that this process keeps some descriptors too


class Chaos:
    """A cluster, what was acknowledged by it, and the harm that is done to it."""

    def __init__(self, home: Home, random: Random) -> None:
        self._home, self._random = home, random
        self.replicas: dict[str, int] = {}
        self.generation: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self.codes = Counter[int | str]()
        self.node_port = 0
        self._silent: list[socket.socket] = []
        self._number = 0

    # --- work

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Answer:
        """The answer to a request, which is sent again while nobody answers. AssertionError for a mistake of ours."""

        def answered() -> Answer:
            try:
                return _send(self._home, method, path, body, kind)
            except UNANSWERED:
                return None  # killed or paused just now

        code, found = eventually(answered, f"{method} {path} is answered")
        self.codes[code] += 1
        assert code < 500, (code, found)
        return found

    def apply(self) -> None:
        name = f"web-{self._random.randrange(3)}"
        spec = {
            "replicas": self._random.randrange(4),
            "selector": {"matchLabels": {**LABELS, "name": name}},
            "template": {
                "metadata": {"labels": {**LABELS, "name": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "web", "image": "local/kubechaos:v1", "ports": [{"containerPort": 3000}]}],
                },
            },
        }
        self.ask("POST", DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec})
        found = self.ask("GET", f"{DEPLOYMENTS}/{name}")
        self.replicas[name] = found["spec"]["replicas"]

    def _one(self) -> str | None:
        return self._random.choice(sorted(self.replicas)) if self.replicas else None

    def scale(self) -> None:
        if name := self._one():
            wanted = self._random.randrange(5)
            self.ask("PATCH", f"{DEPLOYMENTS}/{name}", {"spec": {"replicas": wanted}}, MERGE)
            self.replicas[name] = wanted

    def roll(self) -> None:
        if name := self._one():
            self._number += 1
            annotations = {"generation": str(self._number)}
            template = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
            self.ask("PATCH", f"{DEPLOYMENTS}/{name}", template, MERGE)
            self.generation[name] = str(self._number)

    def delete(self) -> None:
        """Never the last one: there is to be something that can break."""
        if (name := self._one()) and len(self.replicas) > 1:
            self.ask("DELETE", f"{DEPLOYMENTS}/{name}", {"propagationPolicy": "Background"})
            eventually(lambda: self.ask("GET", f"{DEPLOYMENTS}/{name}")["kind"] == "Status", f"{name} is gone")
            del self.replicas[name]
            self.generation.pop(name, None)

    def write(self) -> None:
        self._number += 1
        name, text = f"written-{self._number}", str(self._random.random())
        self.ask("POST", CONFIG_MAPS, {"metadata": {"name": name}, "data": {"text": text}})
        self.written[name] = text

    def serve(self) -> None:
        ports = [{"port": 3000, "targetPort": 3000}]
        spec = {"type": "NodePort", "selector": LABELS, "ports": ports}
        found = self.ask("POST", SERVICES, {"metadata": {"name": "chaos"}, "spec": spec})
        self.node_port = found["spec"]["ports"][0]["nodePort"]

    def visit(self) -> None:
        """Whoever answers is one of the pods; it may be nobody."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.node_port, timeout=5)) as connection:
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (answer.status, b"web-" in answer.read()) == (200, True)
                self.codes["visited"] += 1
            except (OSError, http.client.HTTPException):
                self.codes["nobody"] += 1

    def remove_a_pod(self) -> None:
        pods = self.ask("GET", PODS)["items"]
        if pods:
            self.ask("DELETE", f"{PODS}/{self._random.choice(pods)['metadata']['name']}")

    # --- harm

    def _process(self) -> int:
        return process_of(self._home, self._random.choice(sorted(PROCESSES)))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process(), signal.SIGKILL)

    def pause(self) -> None:
        """A process stands still while something is written, if it is not the one that must answer."""
        name = self._random.choice([each for each in sorted(PROCESSES) if each != "apiserver"])
        process = process_of(self._home, name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
            try:
                self.write()
            finally:
                os.kill(process, signal.SIGCONT)

    def fill_the_disk(self) -> None:
        """To the database no byte more can be written; what is refused then is written afterwards."""
        process = process_of(self._home, "apiserver")
        with self._limited(process, resource.RLIMIT_FSIZE, 0), contextlib.suppress(*UNANSWERED):
            code, body = _send(self._home, "POST", CONFIG_MAPS, {"metadata": {"name": "full"}}, "application/json")
            self.codes[f"{code} on a full disk"] += 1
            was_there = process_of(self._home, "apiserver") == process
            assert code == 500 or not was_there, body
            assert code != 500 or "nothing was written: disk I/O error. See whether the disk is full." in str(body)
        self.ask("DELETE", f"{CONFIG_MAPS}/full")
        self.write()

    def use_up_descriptors(self) -> None:
        """A process cannot open another file or connection while something is written."""
        name = self._random.choice(sorted(PROCESSES))
        process = process_of(self._home, name)
        with contextlib.suppress(FileNotFoundError, PermissionError):  # it was killed just now
            used = len(list(Path("/proc", str(process), "fd").iterdir()))
            with self._limited(process, resource.RLIMIT_NOFILE, used):
                if name == "apiserver":
                    self.connect_and_say_nothing()
                else:
                    self.write()
                    self.remove_a_pod()

    @contextlib.contextmanager
    def _limited(self, process: int, limit: int, most: int) -> Iterator[None]:
        try:
            before = resource.prlimit(process, limit)
            resource.prlimit(process, limit, (most, before[1]))
        except (ProcessLookupError, PermissionError):  # it was killed just now
            yield
            return
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                resource.prlimit(process, limit, before)

    def connect_and_say_nothing(self) -> None:
        for _ in range(30):
            with contextlib.suppress(OSError):
                self._silent.append(socket.create_connection(("127.0.0.1", self._home.api_port)))
        while len(self._silent) > MOST_SILENT:
            self._silent.pop(0).close()

    def kill_everything(self) -> None:
        os.killpg(int((self._home.run_dir / "supervisor.pid").read_text()), signal.SIGKILL)
        lifecycle.up(self._home)

    def close(self) -> None:
        for connection in self._silent:
            connection.close()


def _send(home: Home, method: str, path: str, body: Any, kind: str) -> tuple[int, Any]:
    credentials = home.credentials("admin")
    context = ssl.create_default_context(cafile=credentials.ca_file)
    headers = {"Authorization": f"Bearer {credentials.token}", "Content-Type": kind}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(credentials.server + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def steps_of(chaos: Chaos, random: Random) -> Iterator[Callable[[], None]]:
    work = [chaos.apply, chaos.apply, chaos.scale, chaos.roll, chaos.write, chaos.remove_a_pod, chaos.visit]
    harm = [chaos.kill, chaos.pause, chaos.connect_and_say_nothing, chaos.fill_the_disk, chaos.use_up_descriptors]
    rare = [chaos.delete, chaos.kill_everything]
    yield chaos.serve
    yield chaos.apply
    for _ in range(STEPS):
        yield random.choice(random.choice([work, work, harm, rare] if random.random() < 0.5 else [work, harm]))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "cluster")
    lifecycle.up(home)
    yield home
    lifecycle.down(home)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system does not list processes in /proc")
@pytest.mark.timeout(300 + 10 * STEPS)
def test_what_was_acknowledged_is_there_after_chaos_and_nothing_is_left_over(home: Home) -> None:
    build_image(home, IMAGES / "original", "local/kubechaos:v1")
    random = Random(SEED)
    chaos = Chaos(home, random)
    try:
        for number, step in enumerate(steps_of(chaos, random)):
            print(f"{number} of seed {SEED}: {step.__name__}", flush=True)
            step()
        converges(chaos)
    finally:
        chaos.close()
    print("seed", SEED, dict(chaos.codes), chaos.replicas, len(chaos.written))
    for name, text in chaos.written.items():
        assert chaos.ask("GET", f"{CONFIG_MAPS}/{name}")["data"] == {"text": text}
    assert home.log_of("apiserver").stat().st_size < 1_000_000
    lifecycle.down(home)
    assert eventually(lambda: commands_in(home), "no process is left", so=lambda found: not found) == []
    assert not list(home.run_dir.glob("*.sock"))


def converges(chaos: Chaos) -> None:
    """As many ready pods of the newest template as were asked for last, and no others."""

    def pods() -> dict[str, Counter[tuple[str, bool]]]:
        found: dict[str, Counter[tuple[str, bool]]] = {name: Counter() for name in chaos.replicas}
        for pod in chaos.ask("GET", f"{PODS}?labelSelector=app%3Dchaos")["items"]:
            metadata = pod["metadata"]
            conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            is_ready = conditions.get("Ready") == "True" and "deletionTimestamp" not in metadata
            generation = metadata.get("annotations", {}).get("generation", "")
            found.setdefault(metadata["labels"]["name"], Counter())[generation, is_ready] += 1
        return found

    wanted = {
        name: Counter({(chaos.generation.get(name, ""), True): number} if number else {})
        for name, number in chaos.replicas.items()
    }
    eventually(pods, f"the pods are {wanted}", so=lambda found: found == wanted)
