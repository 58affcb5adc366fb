"""How long the pocket cluster takes for what a lesson does, and how much memory it keeps.

    python benchmarks/cluster.py                          the pocket cluster alone
    python benchmarks/cluster.py --against KUBECONFIG     and another cluster in turn, with the ratio of each median

Both clusters need the images local/kubechaos:v1 and v2. Memory is the proportional set size (PSS) of all processes
that the cluster started, which counts shared memory once.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch

from pocket_cluster.health import noted_processes

ROOT = Path(__file__).parent.parent
DUAL = ROOT / "manifests" / "02-two-deployments-one-service" / "dual.yaml"
DEADLINE = 120


class Bench:
    """One cluster as the official client sees it."""

    def __init__(self, kubeconfig: str) -> None:
        api = config.new_client_from_config(kubeconfig)
        self.core, self.apps, self.slices = client.CoreV1Api(api), client.AppsV1Api(api), client.DiscoveryV1Api(api)

    def apply(self, replicas: int = 1) -> None:
        import yaml

        for document in yaml.safe_load_all(DUAL.read_text()):
            if document["kind"] == "Deployment":
                document["spec"]["replicas"] = replicas
                self.apps.create_namespaced_deployment("default", document)
            else:
                self.core.create_namespaced_service("default", document)

    def clear(self) -> None:
        for name in ("kubechaos-original", "kubechaos-custom"):
            _ignore_missing(lambda name=name: self.apps.delete_namespaced_deployment(name, "default"))
        _ignore_missing(lambda: self.core.delete_namespaced_service("kubechaos-svc", "default"))
        for pod in self.pods():
            _ignore_missing(
                lambda pod=pod: self.core.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=0)
            )
        self.until(self.core.list_namespaced_pod, lambda seen: not seen)

    def pods(self) -> list[Any]:
        found: list[Any] = self.core.list_namespaced_pod("default", label_selector="app=kubechaos").items
        return found

    def until(self, listing: Callable[..., Any], done: Callable[[dict[str, Any]], bool], **options: Any) -> None:
        """Watch a collection of the default namespace until ``done`` of what is in it."""
        first = listing("default", **options)
        seen = {item.metadata.name: item for item in first.items}
        if done(seen):
            return
        stream = watch.Watch()
        version = first.metadata.resource_version
        for event in stream.stream(listing, "default", resource_version=version, timeout_seconds=DEADLINE, **options):
            item = event["object"]
            if event["type"] == "DELETED":
                seen.pop(item.metadata.name, None)
            else:
                seen[item.metadata.name] = item
            if done(seen):
                return
        raise TimeoutError(f"not done within {DEADLINE} s")

    # --- what a lesson does

    def two_deployments(self) -> float:
        self.clear()
        with _timer() as seconds:
            self.apply()
            self.until(self.apps.list_namespaced_deployment, _all_available(2))
        return seconds()

    def scale_to_fifty(self) -> float:
        return self.scale_to(50)

    def scale_to(self, number: int) -> float:
        self.clear()
        self.apply()
        self.until(self.apps.list_namespaced_deployment, _all_available(2))
        with _timer() as seconds:
            wanted = {"spec": {"replicas": number - 1}}
            self.apps.patch_namespaced_deployment_scale("kubechaos-custom", "default", wanted)
            self.until(self.slices.list_namespaced_endpoint_slice, _ready_endpoints(number))
        return seconds()

    def rolling_restart_of_ten(self) -> float:
        self.clear()
        self.apply(replicas=10)
        self.until(self.apps.list_namespaced_deployment, _all_available(2))
        moment = {"kubectl.kubernetes.io/restartedAt": str(time.time())}
        body = {"spec": {"template": {"metadata": {"annotations": moment}}}}
        with _timer() as seconds:
            changed = self.apps.patch_namespaced_deployment("kubechaos-custom", "default", body)
            self.until(
                self.apps.list_namespaced_deployment, _rolled_out("kubechaos-custom", changed.metadata.generation)
            )
        return seconds()

    def killed_pod_replaced(self) -> float:
        self.clear()
        self.apply()
        self.until(self.apps.list_namespaced_deployment, _all_available(2))
        old = {pod.metadata.name for pod in self.pods()}
        with _timer() as seconds:
            self.core.delete_namespaced_pod(sorted(old)[0], "default", grace_period_seconds=0)
            self.until(self.core.list_namespaced_pod, _a_new_ready_pod(old))
        return seconds()


def _all_available(number: int) -> Callable[[dict[str, Any]], bool]:
    def done(seen: dict[str, Any]) -> bool:
        available = [
            item.metadata.name
            for item in seen.values()
            if item.status.available_replicas == item.spec.replicas
            and item.status.observed_generation == item.metadata.generation
        ]
        return len(available) >= number

    return done


def _ready_endpoints(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda seen: (
        sum(
            bool(endpoint.conditions.ready)
            for piece in seen.values()
            if (piece.metadata.labels or {}).get("kubernetes.io/service-name") == "kubechaos-svc"
            for endpoint in piece.endpoints or []
        )
        == number
    )


def _rolled_out(name: str, generation: int) -> Callable[[dict[str, Any]], bool]:
    def done(seen: dict[str, Any]) -> bool:
        status, wanted = seen[name].status, seen[name].spec.replicas
        counts = (status.updated_replicas, status.available_replicas, status.replicas)
        return (status.observed_generation or 0) >= generation and set(counts) == {wanted}

    return done


def _a_new_ready_pod(old: set[str]) -> Callable[[dict[str, Any]], bool]:
    return lambda seen: any(
        name not in old and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])
        for name, pod in seen.items()
    )


def _ignore_missing(call: Callable[[], Any]) -> None:
    try:
        call()
    except client.ApiException as error:
        if error.status != 404:
            raise


@contextmanager
def _timer() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    end: list[float] = []
    yield lambda: end[0]
    end.append(time.perf_counter() - start)


# --- the pocket cluster's own figures


def pocket(home: Path, *arguments: str) -> float:
    """Seconds that one ``pocket-cluster`` command takes as a whole process."""
    command = [sys.executable, "-m", "pocket_cluster", "--home", str(home), *arguments]
    with _timer() as seconds:
        subprocess.run(command, check=True, capture_output=True)
    return seconds()


def memory(home: Path) -> dict[str, float]:
    """MB (PSS) of each process of the cluster, by its name, and of all pods together."""
    supervisor = int((home / "run" / "supervisor.pid").read_text())
    names = {process.pid: name for name, process in noted_processes(home / "run").items()} | {supervisor: "supervisor"}
    found = dict.fromkeys((*names.values(), "pods"), 0.0)
    for pid in _family(supervisor):
        found[names.get(pid, "pods")] += pss(pid) / 1024
    return found


def show_memory(title: str, found: dict[str, float]) -> None:
    parts = ", ".join(f"{name} {size:.0f}" for name, size in found.items())
    print(f"memory, {title}: {sum(found.values()):.0f} MB ({parts})", flush=True)


def _family(parent: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found, waiting = [], [parent]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


TASKS = {
    "two Deployments applied to Available": Bench.two_deployments,
    "scale 1 to 50 pods, all in the EndpointSlice": Bench.scale_to_fifty,
    "rolling restart of 10 pods": Bench.rolling_restart_of_ten,
    "killed pod replaced and Ready": Bench.killed_pod_replaced,
}


def compare(benches: dict[str, Bench], rounds: int) -> None:
    """Each task on each cluster in turn; the medians and their ratio."""
    for title, task in TASKS.items():
        times = {name: [] for name in benches} | {}
        for _ in range(rounds):
            for name, bench in benches.items():
                times[name].append(task(bench))
        medians = {name: statistics.median(values) for name, values in times.items()}
        figures = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in medians.items())
        ratio = f"  ratio {medians['pocket'] / medians['other']:.2f}" if "other" in medians else ""
        print(f"{title}: {figures}{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="KUBECONFIG")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        try:
            run(home, options)
        finally:
            pocket(home, "down")


def run(home: Path, options: argparse.Namespace) -> None:
    cold = [pocket(home, "up")]
    for _ in range(options.rounds - 1):
        pocket(home, "down")
        cold.append(pocket(home, "up"))
    warm = [pocket(home, "up") for _ in range(options.rounds)]
    print(f"up, cold (first {cold[0]:.2f} s): median {statistics.median(cold):.2f} s")
    print(f"up, when up: median {statistics.median(warm):.2f} s")
    for context, name in (("original", "local/kubechaos:v1"), ("custom", "local/kubechaos:v2")):
        pocket(home, "build", str(ROOT / "images" / context), name)
    show_memory("idle", memory(home))
    benches = {"pocket": Bench(str(home / "kubeconfig"))}
    if options.against:
        benches["other"] = Bench(options.against)
    compare(benches, options.rounds)
    benches["pocket"].scale_to_fifty()
    show_memory("50 pods", memory(home))
    hundred, two_hundred = (benches["pocket"].scale_to(number) for number in (100, 200))
    print(f"200 pods Ready: {two_hundred / hundred:.2f} x the time of 100")
    for bench in benches.values():
        bench.clear()


if __name__ == "__main__":
    main()
