"""Stand-ins for what a machine may lack: a cluster's nodes, and programs on the PATH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubechaos_helpers.probe_job import Credentials


class Nodes:
    """An API that knows nodes alone, or refuses to show them."""

    server = "https://10.0.0.1:6443"

    def __init__(self, *nodes: dict[str, Any], refuses: bool = False) -> None:
        self._nodes, self._refuses = list(nodes), refuses

    def nodes(self) -> list[dict[str, Any]] | None:
        return None if self._refuses else self._nodes

    def credentials(self) -> Credentials:
        return Credentials("ca.crt", headers={"authorization": "Bearer t"})


def program(folder: Path, name: str, text: str) -> None:
    """A program of that name, for a PATH with the folder in it."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
