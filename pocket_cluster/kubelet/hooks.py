"""What a container wants done right after its start and before its end (pkg/kubelet/lifecycle/handlers.go)."""

from __future__ import annotations

import asyncio

from pocket_cluster.api.objects import Object
from pocket_cluster.kubelet.probes import Target, ask_http

# A hook has no time limit of its own; after its start a container would wait for ever.
LONGEST_SECONDS = 3600.0


class HookFailed(Exception):
    """The hook did not succeed."""


async def run_hook(hook: Object, target: Target, seconds: float | None) -> None:
    """Run a hook for at most that many seconds; HookFailed when it fails."""
    limit = LONGEST_SECONDS if seconds is None else seconds
    if "sleep" in hook:
        await asyncio.sleep(float(hook["sleep"]["seconds"]))
    elif "exec" in hook:
        done = await target.execute(hook["exec"]["command"], limit)
        if done.code != 0:
            raise HookFailed(done.output)
    elif "httpGet" in hook:
        answer = await ask_http(hook["httpGet"], target, limit)
        if answer.outcome != "success":
            raise HookFailed(answer.message)
