"""What a Job's podFailurePolicy says of a failed pod (pkg/controller/job/pod_failure_policy.go)."""

from __future__ import annotations

from pocket_cluster.api.objects import Object, condition, name, namespace
from pocket_cluster.controllers.job_pods import phase


class FailureRules:
    """The first rule that fits a failed pod decides."""

    def __init__(self, policy: Object) -> None:
        self._rules: list[Object] = policy.get("rules") or []

    def action(self, pod: Object) -> str:
        """Count, Ignore or FailJob."""
        return self._match(pod)[0]

    def fail_job(self, pod: Object) -> str | None:
        """Why this pod's failure fails the Job, if it does."""
        action, message = self._match(pod)
        return message if action == "FailJob" else None

    def _match(self, pod: Object) -> tuple[str, str]:
        if phase(pod) == "Failed":
            for index, rule in enumerate(self._rules):
                reason = _reason(rule, pod)
                if reason:
                    return rule["action"], f"{reason} matching {rule['action']} rule at index {index}"
        return "Count", ""


def _reason(rule: Object, pod: Object) -> str:
    if rule.get("onExitCodes"):
        return _exit_code(rule["onExitCodes"], pod)
    for pattern in rule.get("onPodConditions") or []:
        found = condition(pod, pattern["type"])
        if found and found["status"] == pattern["status"]:
            return f"Pod {namespace(pod)}/{name(pod)} has condition {pattern['type']}"
    return ""


def _exit_code(wanted: Object, pod: Object) -> str:
    status = pod.get("status") or {}
    for each in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        code = ((each.get("state") or {}).get("terminated") or {}).get("exitCode", 0)
        is_named = wanted.get("containerName") in (None, each["name"])
        if code and is_named and (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {each['name']} for pod {namespace(pod)}/{name(pod)} failed with exit code {code}"
    return ""
