"""The pods of a Job: made from its template, with an index where the Job has indexes (pkg/controller/job)."""

from __future__ import annotations

import copy
from datetime import datetime

from pocket_cluster.api.numbers import whole_number
from pocket_cluster.api.objects import Object, labels, name, namespace, owner_reference, parse_time
from pocket_cluster.api.resources import JOBS

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
VARIABLE = "JOB_COMPLETION_INDEX"


def new_pod(job: Object, index: int | None) -> Object:
    """A pod from the template, owned by the Job and kept by a finalizer until it is counted."""
    template = copy.deepcopy(job["spec"]["template"])
    given, spec = template.get("metadata") or {}, template.get("spec") or {}
    kept = {field: given[field] for field in ("labels", "annotations") if given.get(field)}
    suffix = "-"
    if index is not None:
        suffix = f"-{index}-"
        kept = {field: {**kept.get(field, {}), INDEX: str(index)} for field in ("labels", "annotations")}
        spec["hostname"] = f"{name(job)}-{index}"
        for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
            _tell_index(container)
    metadata = {
        **kept,
        "finalizers": [*(given.get("finalizers") or []), FINALIZER],
        "generateName": name(job) + suffix,
        "namespace": namespace(job),
        "ownerReferences": [owner_reference(JOBS, job)],
    }
    return {"metadata": metadata, "spec": spec}


def _tell_index(container: Object) -> None:
    variables = container.get("env") or []
    if all(each["name"] != VARIABLE for each in variables):
        source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
        container["env"] = [*variables, {"name": VARIABLE, "valueFrom": source}]


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def is_tracked(pod: Object) -> bool:
    """Whether the pod still waits to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or [])


def index_of(pod: Object) -> int | None:
    return whole_number(labels(pod).get(INDEX, ""))


def finish_time(pod: Object) -> datetime | None:
    """When its last container ended, else when it was to be gone."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ended = [((each.get("state") or {}).get("terminated") or {}).get("finishedAt") for each in statuses]
    times = [each for each in ended if each] or [pod["metadata"].get("deletionTimestamp")]
    return max((parse_time(each) for each in times if each), default=None)
