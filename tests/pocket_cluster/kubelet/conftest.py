"""A real pod runtime, and containers in it that run real programs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster.addresses import AddressRange, BlockClaim
from pocket_cluster.home import Home
from pocket_cluster.kubelet.container_process import ContainerSettings
from pocket_cluster.kubelet.container_root import make_container, write_site
from pocket_cluster.kubelet.images import build_image, find_image
from pocket_cluster.kubelet.runtime import SOCKET

START = (
    "import os, sys; from pathlib import Path; from pocket_cluster.kubelet.runtime import main; main(Path(sys.argv[1]))"
)


class Runtime:
    """The runtime as a kubelet sees it."""

    def __init__(self, home: Home, addresses: AddressRange) -> None:
        self.home = home
        self.addresses = addresses
        write_site(home)
        self.exits: dict[str, dict[str, Any]] = {}
        self._count = 0
        self.start_process()

    def start_process(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", START, str(self.home.path)], cwd=self.home.path)
        self.connect()

    def connect(self) -> None:
        self._socket = eventually(self._connected, "the runtime listens", so=lambda found: found is not None)
        self._socket.settimeout(DEADLINE_SECONDS)
        self._lines = self._socket.makefile("r")

    def _connected(self) -> Any:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(str(self.home.path / SOCKET))
        except OSError:
            found.close()
            return None
        return found

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self._count += 1
        self._socket.sendall(json.dumps({"request": self._count, "op": operation, **arguments}).encode() + b"\n")
        while True:
            message = self._receive()
            if message.get("request") == self._count:
                return message

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._lines.readline())
        if "event" in message:
            self.exits[message["container"]["id"]] = message["container"]
        return message

    def exit_of(self, name: str) -> dict[str, Any]:
        """How the container ended; waits for that."""
        while name not in self.exits:
            self._receive()
        return self.exits[name]

    def settings(self, argv: list[str], image: str = "", **options: Any) -> ContainerSettings:
        """Make a container's folder as the kubelet does."""
        self._count += 1
        found = find_image(self.home.images_dir, image or "local/empty")
        assert found
        address = options.get("address", "10.244.0.2")
        table = str(self.home.run_dir / "ports.json") if self.addresses.single else None
        return make_container(
            self.home.pods_dir / str(self._count),
            found,
            argv or found.command,
            {**found.environment, **options.get("environment", {})},
            options.get("working_directory", found.working_directory),
            options.get("mounts", {}),
            {
                "hostname": options.get("hostname", "a-pod"),
                "namespace": "default",
                "address": address,
                "block": self.addresses.block,
                "port_table": table,
                "services": str(self.home.run_dir / "services.json"),
            },
            self.home,
        )

    def start(self, argv: list[str], log: Path | None = None, **options: Any) -> str:
        """Start a container; returns its id."""
        name = f"container-{self._count}"
        settings = self.settings(argv, **options)
        answer = self.ask("start", id=name, meta={}, settings=settings, log=str(log) if log else None)
        assert "error" not in answer, answer
        return name

    def output_of(self, argv: list[str], **options: Any) -> str:
        """Run a program to its end; what it said. Raises AssertionError when it failed."""
        ended = self.exit_of(self.start(argv, **options))
        assert ended["exit_code"] == 0, ended["output"]
        return str(ended["output"])

    def stop(self) -> None:
        self._lines.close()
        self._socket.close()
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    yield from running(tmp_path_factory.mktemp("runtime"), single=False)


@pytest.fixture(scope="module")
def runtime_with_one_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    yield from running(tmp_path_factory.mktemp("single"), single=True)


def running(folder: Path, single: bool) -> Iterator[Runtime]:
    home = Home(folder)
    home.make_folders()
    context = folder / "context"
    context.mkdir()
    (context / "Containerfile").write_text("FROM python:3.13-slim\nWORKDIR /src\n")
    build_image(home, context, "local/empty")
    claim = BlockClaim(None)
    runtime = Runtime(home, AddressRange(claim.block, home.run_dir / "ports.json" if single else None))
    yield runtime
    runtime.stop()
    claim.release()
