"""Which kind of probe serves a call of ``cluster.probe``: the prober, several of them, or another way to a Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.probe_job import Job
from kubechaos_helpers.running_probe import job_for
from kubechaos_helpers.visits import Visits

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster


def job_of(cluster: Cluster, service: str, **options: Any) -> Job:
    """The prober's job for a Service, by the way that leads there, or for a URL."""
    if "://" in service:
        return job_for(service, **options)
    way = cluster.way(service)
    return job_for(way.url, credentials=way.credentials, **options)


def probe(cluster: Cluster, service: str, via: str, workers: int, options: Mapping[str, Any]) -> Visits:
    """The visits of a probe that was waited for; ``options`` are the fields of Job."""
    from kubechaos_helpers.doors import VIAS
    from kubechaos_helpers.progress import Progress
    from kubechaos_helpers.workers import in_pods, in_processes

    if via:
        if via not in VIAS:
            raise CourseError(f"There is no way {via!r} to a Service. Choose one of: {', '.join(VIAS)}.")
        return VIAS[via](cluster, service, options["requests"])
    progress = Progress(options["visitors"] * options["requests"])
    if workers and not cluster.is_own:
        visits = in_pods(cluster, service, job_for("http://cluster-ip", **options), workers)
    elif workers:
        visits = in_processes(cluster, job_of(cluster, service, **options), workers, progress.update)
    else:
        visits = cluster.start_probe(service, progress.update, **options).wait()
    progress.finish(len(visits))
    return visits
