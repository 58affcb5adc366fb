"""What to do next for a pod: pure functions of its specification and of what its containers do.

The rules are those of pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions) and
kuberuntime_container.go (computeInitContainerActions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pocket_cluster.api.objects import Object
from pocket_cluster.kubelet.container_record import ContainerRecord

Records = Mapping[str, ContainerRecord]


@dataclass
class Steps:
    """Containers to start now, and those that wait, by the seconds until they may be tried again."""

    start: list[str] = field(default_factory=list)
    backing_off: dict[str, float] = field(default_factory=dict)
    retry_in: list[float] = field(default_factory=list)


def next_steps(pod: Object, records: Records, now: float) -> Steps:
    """Which containers to start at ``now`` (seconds since 1970)."""
    steps = Steps()
    policy = pod["spec"].get("restartPolicy", "Always")
    for record in records.values():
        if record.kind == "regular":
            _consider(record, policy, now, steps)
        elif not record.is_done:
            _consider(record, "Always" if record.kind == "sidecar" else _init_policy(policy), now, steps)
            if record.kind == "init" or not record.started:
                return steps
    return steps


def _init_policy(policy: str) -> str:
    return "OnFailure" if policy != "Never" else "Never"


def _consider(record: ContainerRecord, policy: str, now: float, steps: Steps) -> None:
    if record.process == "running":
        return
    if record.process == "ended":
        if not should_restart(record, policy):
            return
        remaining = record.back_off.remaining(record.finished, now)
        if remaining > 0:
            steps.backing_off[record.name] = remaining
            return
    if record.retry_at > now:
        steps.retry_in.append(record.retry_at - now)
    else:
        steps.start.append(record.name)


def should_restart(record: ContainerRecord, policy: str) -> bool:
    """Whether a container that ended runs again."""
    return policy == "Always" or (policy == "OnFailure" and record.exit_code != 0)


def is_initialized(records: Records) -> bool:
    """Whether all init containers are done and all sidecars have started."""
    return not incomplete(records)


def incomplete(records: Records) -> list[str]:
    """The init containers that the others wait for."""
    return [
        record.name
        for record in records.values()
        if (record.kind == "init" and not record.is_done) or (record.kind == "sidecar" and not record.started)
    ]


def phase(pod: Object, records: Records, ending: bool) -> str:
    """The pod's phase (pkg/kubelet/kubelet_pods.go, getPhase). ``ending``: nothing of it will be started again."""
    policy = pod["spec"].get("restartPolicy", "Always")
    failed_init = [r for r in records.values() if r.kind == "init" and r.exit_code not in (None, 0)]
    if failed_init and (policy == "Never" or ending):
        return "Failed"
    if not is_initialized(records) and not ending:
        return "Pending"
    regular = [record for record in records.values() if record.kind == "regular"]
    running = [record for record in regular if record.process == "running"]
    ended = [record for record in regular if record.process == "ended"]
    if len(running) + len(ended) < len(regular):
        return "Failed" if ending and policy == "Never" else "Pending"
    if running or (policy == "Always" and not ending):
        return "Running"
    if all(record.exit_code == 0 for record in ended):
        return "Succeeded"
    return "Running" if policy == "OnFailure" and not ending else "Failed"
