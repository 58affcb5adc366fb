"""``lab.py`` opens a JupyterLab whose terminals lead to the embedded cluster, and whose kernels are the learner's."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from eventually import DEADLINE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
# The same program in another folder, with the environment that runs this test instead of .venv.
LAB = """
import pathlib, runpy, sys
names = runpy.run_path("lab.py")
names["start"].__globals__.update(PYTHON=pathlib.Path(sys.executable), install=lambda goal: None)
sys.exit(names["main"](sys.argv[1:]))
"""


class Jupyter(NamedTuple):
    """A running JupyterLab: what it printed, and where it is."""

    printed: str
    server: str
    token: str
    folder: Path
    kubeconfig: Path


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "lab.py", folder)
    for name in ("notebooks", "manifests", "images", "jupyter-settings"):
        shutil.copytree(ROOT / name, folder / name)
    home = folder / "home of the cluster"
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")},
        **{"HOME": str(folder / "home"), "KUBECHAOS_COURSE": str(folder), "KUBECHAOS_MY": str(folder / "my")},
        **{"POCKET_CLUSTER_HOME": str(home), "KUBECONFIG": "the learner's own", "SHELL": "/bin/sh"},
    }
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(contextlib.closing(socket.socket()))
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", LAB, f"--ServerApp.port={taken.getsockname()[1]}"],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        stack.callback(process.send_signal, signal.SIGTERM)
        printed, server, token = read_address(process)
        wait_until_it_listens(int(server.rpartition(":")[2]))
        yield Jupyter(printed, server, token, folder, home / "kubeconfig")


def read_address(process: "subprocess.Popen[str]") -> tuple[str, str, str]:
    """What was printed up to JupyterLab's address, the address, the token. pytest's timeout ends a wait in vain."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", line):
            return printed, found[1], found[2]
    raise AssertionError(printed)


def wait_until_it_listens(port: int) -> None:
    """Jupyter prints its address a moment before it listens there."""

    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    eventually(listens, "JupyterLab listens")


def test_it_opens_on_the_copy_of_the_first_notebook(jupyter: Jupyter) -> None:
    first = min((jupyter.folder / "my").glob("*.ipynb"))
    assert f"{jupyter.server}/lab/tree/my/{first.name}?token=" in jupyter.printed
    assert all(not cell.get("outputs") for cell in json.loads(first.read_text())["cells"])


def test_nobody_is_asked_about_news_before_the_first_page(jupyter: Jupyter) -> None:
    settings = json.loads(asyncio.run(get(jupyter, "/lab/api/settings/@jupyterlab/apputils-extension:notification")))
    assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"


async def get(jupyter: Jupyter, path: str) -> str:
    async with asyncio.timeout(DEADLINE_SECONDS), session(jupyter) as http, http.get(path) as answer:
        return await answer.text()


def test_terminals_lead_to_the_embedded_cluster(jupyter: Jupyter) -> None:
    said = asyncio.run(say_in_a_terminal(jupyter, 'echo "KUBECONFIG=<$KUBECONFIG>"; command -v pocket-cluster'))
    assert f"KUBECONFIG=<{jupyter.kubeconfig}>" in said


def test_kernels_keep_the_learners_own_cluster(jupyter: Jupyter) -> None:
    said = asyncio.run(run_in_a_kernel(jupyter, "import os; print(os.environ['KUBECONFIG'])"))
    assert said == "the learner's own\n"


async def say_in_a_terminal(jupyter: Jupyter, line: str) -> str:
    """What a terminal shows for a line typed into it."""
    async with asyncio.timeout(DEADLINE_SECONDS), session(jupyter) as http:
        async with http.post("/api/terminals") as answer:
            name = (await answer.json())["name"]
        async with http.ws_connect(f"/terminals/websocket/{name}") as terminal:
            await terminal.send_json(["stdin", f"{line}; echo the $((6 * 7)) end\r"])
            said = ""
            async for message in terminal:
                kind, *content = message.json()
                said += content[0] if kind == "stdout" else ""
                if "the 42 end" in said:
                    break
        await http.delete(f"/api/terminals/{name}")
    return said.replace("\r", "").replace("\n", "")


async def run_in_a_kernel(jupyter: Jupyter, code: str) -> str:
    """What a kernel prints for a cell (jupyter-client, Messaging in Jupyter)."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": "test",
        "username": "",
        "version": "5",
    }
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": code}, "channel": "shell"}
    async with asyncio.timeout(DEADLINE_SECONDS), session(jupyter) as http:
        async with http.post("/api/kernels", json={"name": "python3"}) as answer:
            kernel = (await answer.json())["id"]
        async with http.ws_connect(f"/api/kernels/{kernel}/channels?session_id=test") as channels:
            await channels.send_json(request)
            said = ""
            async for message in channels:
                reply: dict[str, Any] = message.json()
                said += reply["content"]["text"] if reply["msg_type"] == "stream" else ""
                if reply["parent_header"].get("msg_id") == header["msg_id"] and is_idle(reply):
                    break
        await http.delete(f"/api/kernels/{kernel}")
    return said


def is_idle(reply: dict[str, Any]) -> bool:
    return bool(reply["msg_type"] == "status" and reply["content"]["execution_state"] == "idle")


def session(jupyter: Jupyter) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(jupyter.server, headers={"Authorization": f"token {jupyter.token}"})
