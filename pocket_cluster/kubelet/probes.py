"""Asking a container whether it has started, is ready, is alive (pkg/kubelet/prober, pkg/probe)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, NamedTuple

from pocket_cluster.api.objects import Object
from pocket_cluster.home import KUBERNETES_VERSION

# A container that is not ready yet is asked again soon after its start, as the real kubelet does with every sync;
# the first time when a program has had a moment to listen.
EAGER_SECONDS = {"startup": (0.1,), "readiness": (0.1, 0.3, 0.6), "liveness": (0.1,)}
LONGEST_BODY = 10 * 1024
USER_AGENT = "kube-probe/" + KUBERNETES_VERSION.removeprefix("v").rpartition(".")[0]
KINDS: tuple[ProbeKind, ...] = ("startup", "readiness", "liveness")
# From the end of the command to exit code and output, or the sentence that says why it could not be run.
Execute = Callable[[list[str], float], Awaitable["Executed"]]
ToLocal = Callable[[tuple[str, int]], tuple[str, int]]

ProbeKind = Literal["startup", "readiness", "liveness"]


class Executed(NamedTuple):
    code: int | None
    output: str


class Answer(NamedTuple):
    """``outcome`` is success, failure or, when asking itself went wrong, unknown."""

    outcome: Literal["success", "failure", "unknown"]
    message: str = ""


class Target(NamedTuple):
    """The container that is asked."""

    container: Object
    address: str
    to_local: ToLocal
    execute: Execute


async def ask(probe: Object, target: Target) -> Answer:
    """One attempt of a probe; never takes much longer than its timeout."""
    seconds = float(probe.get("timeoutSeconds") or 1)
    if "httpGet" in probe:
        return await ask_http(probe["httpGet"], target, seconds)
    if "tcpSocket" in probe:
        return await _ask_tcp(probe["tcpSocket"], target, seconds)
    if "exec" in probe:
        return await _ask_command(probe["exec"]["command"], target, seconds)
    return Answer("unknown", "this cluster has no gRPC probes: use httpGet, tcpSocket or exec")


async def ask_http(action: Object, target: Target, seconds: float) -> Answer:
    """GET; success is a status from 200 to 399."""
    host = action.get("host") or target.address
    port = port_number(action["port"], target.container)
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    url = f'Get "{scheme}://{host}:{port}{path if path.startswith("/") else "/" + path}"'
    try:
        code = await asyncio.wait_for(_get(action, target.to_local((host, port)), host, port, scheme), seconds)
    except TimeoutError:
        return Answer("failure", f"{url}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    except ConnectionRefusedError:
        return Answer("failure", f"{url}: dial tcp {host}:{port}: connect: connection refused")
    except (OSError, EOFError, ValueError, IndexError):
        return Answer("failure", f"{url}: EOF")
    if 200 <= code < 400:
        return Answer("success")
    return Answer("failure", f"HTTP probe failed with statuscode: {code}")


async def _get(action: Object, place: tuple[str, int], host: str, port: int, scheme: str) -> int:
    context = None
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(*place, ssl=context)
    headers = {"Host": f"{host}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
    lines = [f"GET {action.get('path') or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = await reader.readline()
        await reader.read(LONGEST_BODY)
        return int(status.split()[1])
    finally:
        writer.close()


async def _ask_tcp(action: Object, target: Target, seconds: float) -> Answer:
    host = action.get("host") or target.address
    port = port_number(action["port"], target.container)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(*target.to_local((host, port))), seconds)
    except TimeoutError:
        return Answer("failure", f"dial tcp {host}:{port}: i/o timeout")
    except OSError:
        return Answer("failure", f"dial tcp {host}:{port}: connect: connection refused")
    writer.close()
    return Answer("success")


async def _ask_command(command: list[str], target: Target, seconds: float) -> Answer:
    done = await target.execute(command, seconds)
    if done.code is None:
        return Answer("unknown", done.output)
    if done.code == 0:
        return Answer("success")
    return Answer("failure", done.output[:LONGEST_BODY])


def port_number(port: int | str, container: Object) -> int:
    """A port's number; a name stands for one of the container's ports."""
    for each in container.get("ports") or []:
        if each.get("name") == port:
            return int(each["containerPort"])
    return int(port)


# --- the same again and again


class Watcher(NamedTuple):
    """What a series of probes reports: each answer that is no success, and what the thresholds make of them."""

    unhealthy: Callable[[ProbeKind, Answer], None]
    passed: Callable[[ProbeKind], None]
    failed: Callable[[ProbeKind, Object], None]


async def keep_asking(kind: ProbeKind, probe: Object, target: Target, watcher: Watcher, age: float) -> None:
    """Ask until cancelled (a startup probe: until it passed); ``age`` is how long the container has run, in seconds."""
    successes = failures = 0
    await asyncio.sleep(max(0.0, float(probe.get("initialDelaySeconds") or 0) - age))
    for pause in _pauses(kind, probe):
        await asyncio.sleep(pause)
        answer = await ask(probe, target)
        if answer.outcome == "success":
            successes, failures = successes + 1, 0
            if successes >= int(probe.get("successThreshold") or 1):
                watcher.passed(kind)
                if kind == "startup":
                    return
            continue
        watcher.unhealthy(kind, answer)
        if answer.outcome == "unknown":
            continue
        successes, failures = 0, failures + 1
        if failures >= int(probe.get("failureThreshold") or 3):
            failures = 0
            watcher.failed(kind, probe)


def _pauses(kind: ProbeKind, probe: Object) -> Iterator[float]:
    """Seconds before each attempt, counted from the end of the one before."""
    period = float(probe.get("periodSeconds") or 10)
    yield from (0.0,) if probe.get("initialDelaySeconds") else EAGER_SECONDS[kind]
    while True:
        yield period
