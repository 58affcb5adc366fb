"""One probe by several workers: processes of this machine, or on another cluster the pods of an indexed Job.

The visitors are divided among the workers, and what these saw is put together on one clock. The pods run the same
prober, in the image of the sample application, and visit the Service's cluster IP: the kube-proxy of each pod's own
node chooses for it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubechaos_helpers import waiting
from kubechaos_helpers.api import ANYTHING, Refused
from kubechaos_helpers.doors import with_port
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.probe_job import Job
from kubechaos_helpers.running_probe import RunningProbe, visits_in
from kubechaos_helpers.visits import Visit, Visits

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

Object = dict[str, Any]
MODULES = ("http_answer.py", "probe_job.py", "prober.py")
IMAGE = "local/kubechaos:v1"
SECONDS = 300
# A kubelet turns a container's log over at 10 MiB, and a visit is a line's part of at most 160 bytes.
MOST_VISITS = 60_000
LABEL = "kubechaos-course/probe"
INDEX = "batch.kubernetes.io/job-completion-index"


def divided(job: Job, workers: int) -> list[Job]:
    """The job in as many parts, with as many visitors in each as can be; CourseError when there are too few."""
    if not isinstance(workers, int) or not 1 <= workers <= job.visitors:
        raise CourseError(
            f"workers must be a whole number from 1 to the number of visitors, {job.visitors}, not {workers!r}."
        )
    each, more = divmod(job.visitors, workers)
    return [replace(job, visitors=each + (number < more)) for number in range(workers)]


def merged(parts: Iterable[Visits]) -> Visits:
    """Several probes as one: times from the earliest start, visitors and connections numbered anew."""
    found = list(parts)
    started = min((part.started for part in found if part.started), default=0.0)
    visits: list[Visit] = []
    versions: dict[str, str] = {}
    visitors = connections = 0
    for part in found:
        later = part.started - started if part.started else 0.0
        for visit in part:
            visitor, connection = visit.visitor + visitors, visit.connection + connections
            visits.append(visit._replace(start=visit.start + later, visitor=visitor, connection=connection))
        visitors += 1 + max((visit.visitor for visit in part), default=-1)
        connections += max((visit.connection for visit in part), default=0)
        versions |= part.version_of
    return Visits(visits, versions, any(part.interrupted for part in found), started)


# --- on this machine


def in_processes(cluster: Cluster, job: Job, workers: int, on_batch: Callable[[int], None]) -> Visits:
    """The probe by processes of this machine."""
    seen = [0] * workers

    def count(number: int) -> Callable[[int], None]:
        def note(visits: int) -> None:
            seen[number] = visits
            on_batch(sum(seen))

        return note

    versions = cluster.versions()
    running = [
        RunningProbe(part, versions, count(number), cluster.versions)
        for number, part in enumerate(divided(job, workers))
    ]
    return merged([each.wait() for each in running])


# --- in the cluster


def in_pods(cluster: Cluster, service: str, job: Job, workers: int) -> Visits:
    """The probe by the pods of an indexed Job, which is gone afterwards. An interrupt keeps what was seen."""
    _check(job, workers)
    name = f"kubechaos-probe-{secrets.token_hex(3)}"
    spec = with_port(cluster, service)["spec"]
    inside = replace(job, host=spec["clusterIP"], port=spec["ports"][0]["port"])
    config_map, batch_job = manifests(name, divided(inside, workers))
    places = {kind: cluster.api.kind(kind).path(cluster.namespace) for kind in ("configmaps", "jobs")}
    try:
        cluster.api.request("POST", places["configmaps"], body=config_map)
        cluster.api.request("POST", places["jobs"], body=cluster.placed(batch_job))
        interrupted = _wait(cluster, name, workers)
        return merged(_logs(cluster, name, interrupted))
    finally:
        for place in places.values():
            with contextlib.suppress(Refused):  # it was not made
                cluster.api.request("DELETE", f"{place}/{name}", body={"propagationPolicy": "Background"})


def _check(job: Job, workers: int) -> None:
    if not job.requests or job.visitors * job.requests > MOST_VISITS * workers:
        raise CourseError(
            f"A worker in the cluster can tell of {MOST_VISITS:,} visits: say how many requests each visitor makes"
            " (requests), and take more workers when visitors times requests are more."
        )


def manifests(name: str, parts: list[Job]) -> tuple[Object, Object]:
    """The prober and its jobs as a ConfigMap, and the Job whose pods run one of them each."""
    folder = Path(__file__).parent
    data = {module: (folder / module).read_text(encoding="utf-8") for module in MODULES}
    data |= {f"{number}.json": part.line() + "\n" for number, part in enumerate(parts)} | {"__init__.py": ""}
    package = [{"key": module, "path": f"kubechaos_helpers/{module}"} for module in (*MODULES, "__init__.py")]
    items = [*package, *({"key": f"{number}.json", "path": f"{number}.json"} for number in range(len(parts)))]
    # The job comes from a file: the prober ends when its input does, and a file has no end to wait for.
    command = "exec python3 -m kubechaos_helpers.prober < $JOB_COMPLETION_INDEX.json"
    labels = {LABEL: name}
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "topologySpreadConstraints": [{**spread, "labelSelector": {"matchLabels": labels}}],
            "volumes": [{"name": "probe", "configMap": {"name": name, "items": items}}],
            "containers": [
                {
                    "name": "prober",
                    "image": IMAGE,
                    "workingDir": "/probe",
                    "command": ["sh", "-c", command],
                    "volumeMounts": [{"name": "probe", "mountPath": "/probe"}],
                }
            ],
        },
    }
    numbers: Object = {"completionMode": "Indexed", "completions": len(parts), "parallelism": len(parts)}
    limits = {"backoffLimit": 0, "activeDeadlineSeconds": SECONDS, "ttlSecondsAfterFinished": SECONDS}
    metadata = {"name": name, "labels": labels}
    return (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": numbers | limits | {"template": template},
        },
    )


def _wait(cluster: Cluster, name: str, workers: int) -> bool:
    """Wait for the pods' end; whether the learner interrupted that. CourseError when a pod cannot do its part."""
    kind = cluster.api.kind("pods")

    def ended(pods: waiting.Objects) -> bool:
        for pod in pods.values():
            if _phase(pod) == "Failed" or waiting.waits_for_image(pod):
                trouble = waiting.trouble_of(cluster.api, cluster.namespace, pod)
                raise CourseError(f"A worker cannot do its part. {trouble}")
        return sum(_phase(pod) == "Succeeded" for pod in pods.values()) == workers

    try:
        if any(map(ended, waiting.follow(cluster.api, kind, cluster.namespace, f"{LABEL}={name}", SECONDS))):
            return False
    except KeyboardInterrupt:
        return True
    raise cluster.waited_in_vain(
        f"After {SECONDS} s the workers have not all ended: is there room for {workers} more pods? Take fewer workers,"
        " or fewer visitors."
    )


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase"))


def _logs(cluster: Cluster, name: str, interrupted: bool) -> Iterator[Visits]:
    """What each pod saw, in the order of their indexes."""
    pods = cluster.objects("pods", f"{LABEL}={name}")
    versions = cluster.versions()
    for pod in sorted(pods, key=lambda pod: int(pod["metadata"]["annotations"][INDEX])):
        path = cluster.api.kind("pods").path(cluster.namespace, pod["metadata"]["name"], "log")
        try:
            lines = str(cluster.api.request("GET", path, accept=ANYTHING)).splitlines()
        except Refused:  # it has not started
            continue
        yield _read(lines, versions, interrupted)


def _read(lines: list[str], versions: dict[str, str], interrupted: bool) -> Visits:
    visits: list[Visit] = []
    started = 0.0
    for line in lines:
        with contextlib.suppress(ValueError):  # the last line of a pod that was not at its end
            content = json.loads(line)
            started = content.get("started", started)
            visits += visits_in(content)
    return Visits(visits, versions, interrupted, started)
