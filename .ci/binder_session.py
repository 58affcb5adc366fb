"""One learner's visit to Binder: starts what Binder starts, uses it, weighs it. .ci/binder runs it in the home folder.

It has a process namespace of its own, so every process in /proc belongs to the visit. It fails when something does not
work, or when JupyterLab, one kernel and the cluster with ten pods hold more memory than Binder guarantees.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

MEGABYTES = 450  # mybinder.org's guarantee
PREFIX, PORT, TOKEN = "/user/learner/", 8888, "what-binder-drew"
SERVER = f"http://127.0.0.1:{PORT}{PREFIX}"
# As BinderHub starts it (its helm chart: singleuser.cmd; binderspawner_mixin.py: get_args).
COMMAND = ["jupyter-lab", "--ip=0.0.0.0", f"--port={PORT}", "--ServerApp.trust_xheaders=True"]
COMMAND += [f"--ServerApp.base_url={PREFIX}", f"--ServerApp.token={TOKEN}"]
DEADLINE = 180.0
CONNECT_SECONDS = 3.0  # starting a cluster takes longer on one processor that the kernel needs too

FIRST_CELL = """
import os, time
from kubechaos_helpers import connect, page
started = time.monotonic()
cluster = connect()
print(f"KUBECONFIG={os.environ.get('KUBECONFIG')}, connected after {time.monotonic() - started:.1f} s")
"""
TEN_PODS = """
for version, tag in ("original", "v1"), ("custom", "v2"):
    cluster.build_image(version, f"local/kubechaos:{tag}")
cluster.apply(page.shipped("manifests/02-two-deployments-one-service/dual.yaml"))
for version in ("original", "custom"):
    cluster.scale(f"kubechaos-{version}", 5)
cluster.wait_until_served_by("kubechaos-svc", 10)
visits = cluster.probe("kubechaos-svc", visitors=40, requests=25, keep_alive=False)
visits.by("version").show(expected=0.5, name="custom")
print(f"node port {cluster.node_port('kubechaos-svc')}")
"""


async def visit(log: Path) -> None:
    environment = {**os.environ, "JUPYTERHUB_SERVICE_PREFIX": PREFIX, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        started = time.monotonic()
        command = ["binder/start", *COMMAND]
        server = await asyncio.create_subprocess_exec(*command, env=environment, stdout=output, stderr=output)
    headers = {"Authorization": f"token {TOKEN}"}
    async with asyncio.timeout(DEADLINE), aiohttp.ClientSession(headers=headers) as http:
        try:
            await until_it_answers(http)
            print(f"JupyterLab and the cluster were up after {time.monotonic() - started:.1f} s.")
            await use(http)
        except BaseException:
            print(log.read_text())
            raise
        finally:
            server.terminate()


async def use(http: aiohttp.ClientSession) -> None:
    async with http.post(f"{SERVER}api/kernels", json={"name": "python3"}) as answer:
        kernel = (await answer.json())["id"]
    first = await run_cell(http, kernel, FIRST_CELL)
    print(first.strip())
    assert "KUBECONFIG=None" in first, "kernels keep the learner's own KUBECONFIG"
    assert float(found(r"connected after ([\d.]+) s", first)) < CONNECT_SECONDS
    await nobody_is_asked_about_news(http)
    node_port = found(r"node port (\d+)", await run_cell(http, kernel, TEN_PODS))
    await refresh(http, f"{SERVER}proxy/{node_port}/")
    await say_in_a_terminal(http)
    weigh(kernel)


async def until_it_answers(http: aiohttp.ClientSession) -> None:
    while True:
        try:
            async with http.get(f"{SERVER}lab/tree/my/{first_page().name}") as answer:
                assert answer.status == 200, await answer.text()
                return
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.1)  # a starting server cannot be waited for in another way


def first_page() -> Path:
    """The learner's copy that the launch link opens."""
    return min(Path("my").glob("*.ipynb"))


async def run_cell(http: aiohttp.ClientSession, kernel: str, code: str) -> str:
    """What a kernel prints for a cell (jupyter-client, Messaging in Jupyter)."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "visit", "username": ""}
    request = {"header": {**header, "version": "5"}, "parent_header": {}, "metadata": {}, "content": {"code": code}}
    said = ""
    async with http.ws_connect(f"{SERVER}api/kernels/{kernel}/channels?session_id=visit") as channels:
        await channels.send_json({**request, "channel": "shell"})
        async for message in channels:
            reply: dict[str, Any] = message.json()
            kind, content = reply["msg_type"], reply["content"]
            said += content["text"] if kind == "stream" else ""
            assert kind != "error", "\n".join(content.get("traceback", []))
            if reply["parent_header"].get("msg_id") == header["msg_id"] and content.get("execution_state") == "idle":
                return said
    raise AssertionError(said)


async def nobody_is_asked_about_news(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{SERVER}lab/api/settings/@jupyterlab/apputils-extension:notification") as answer:
        settings = await answer.json()
    assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"


async def refresh(http: aiohttp.ClientSession, page: str) -> None:
    """The learner's browser reaches the Service, each time over a new connection; a stranger's is sent to log in."""
    pods = set()
    for _ in range(40):
        async with http.get(page, params={"format": "json"}) as answer:
            pods.add((await answer.json())["pod"])
    assert len(pods) > 1, pods
    async with aiohttp.ClientSession() as stranger, stranger.get(page, allow_redirects=False) as answer:
        assert answer.status in (302, 403), answer.status
    print(f"Refreshed 40 times through jupyter-server-proxy: {len(pods)} pods answered.")


async def say_in_a_terminal(http: aiohttp.ClientSession) -> None:
    async with http.post(f"{SERVER}api/terminals") as answer:
        name = (await answer.json())["name"]
    async with http.ws_connect(f"{SERVER}terminals/websocket/{name}") as terminal:
        await terminal.send_json(["stdin", 'test -s "$KUBECONFIG" && echo the terminal has it | tr a-z A-Z\r'])
        async for message in terminal:
            if "THE TERMINAL HAS IT" in str(message.json()):
                break
        else:
            raise AssertionError("the terminal has ended")
    await http.delete(f"{SERVER}api/terminals/{name}")


def weigh(kernel: str) -> None:
    """Print where the memory is (PSS: what is shared counts once), and compare the whole with the guarantee."""
    weights: Counter[str] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) not in (1, os.getpid(), os.getppid()):
            weights[kind_of(process, kernel)] += proportional_kilobytes(process)
    for kind, kilobytes in weights.most_common():
        print(f"{kilobytes / 1024:8.1f} MB  {kind}")
    whole = weights.total() / 1024
    print(f"{whole:8.1f} MB  together; Binder guarantees {MEGABYTES} MB")
    assert whole <= MEGABYTES


def kind_of(process: Path, kernel: str) -> str:
    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    if component := cluster_processes().get(process.name):
        return f"cluster: {component}"
    for mark, kind in (("jupyter-lab", "JupyterLab"), (kernel, "kernel"), ("pocket_cluster.kubelet", "ten pods")):
        if mark in line:
            return kind
    return "cluster: supervisor" if "pocket_cluster.supervisor" in line else line or "zombie"


def cluster_processes() -> dict[str, str]:
    """Which process is which component, by what the supervisor wrote down."""
    log = (Path.home() / ".pocket-cluster" / "logs" / "supervisor.log").read_text()
    return {pid: name for name, pid in re.findall(r"(\S+) runs as process (\d+)", log)}


def proportional_kilobytes(process: Path) -> int:
    return int(found(r"(?m)^Pss: +(\d+) kB", (process / "smaps_rollup").read_text()))


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in: {text}"
    return match[1]


if __name__ == "__main__":
    asyncio.run(visit(Path(sys.argv[1])))
