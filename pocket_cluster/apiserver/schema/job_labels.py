"""The labels by which a Job's pods are told from others: generateSelector in pkg/registry/batch/job/strategy.go."""

from __future__ import annotations

from pocket_cluster.api.objects import Object

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"


def generated_labels(metadata: Object) -> dict[str, str]:
    """Of the Job that has this metadata, in the order in which a real API server misses them; the last two are old."""
    names = {"controller-uid": metadata.get("uid", ""), "job-name": metadata.get("name", "")}
    return {**{f"batch.kubernetes.io/{key}": value for key, value in names.items()}, **names}
