"""What the gate says of a machine that lacks what its tools need: a sentence with a next step; nothing half made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS

TOOLS = Path(__file__).parents[2] / ".ci" / "tools"
SYSTEM = ("bash", "dirname", "mkdir", "grep", "cat")
BROWSER = "This machine has no Chromium or Chrome, and only root can install one here: sudo apt install chromium"


@pytest.mark.parametrize(
    ("programs", "status", "sentence"),
    [
        (
            {},
            77,
            "kubectl and actionlint are built with Go 1.26, and this machine has no go: https://go.dev/doc/install",
        ),
        ({"go": "", "id": "echo 1000"}, 77, BROWSER),
        ({"go": "", "id": "echo 0"}, 77, BROWSER),  # a system without apt
        (
            {"go": "echo 'dial tcp: no such host'; exit 1", "chromium": ""},
            1,
            "kubectl could not be fetched or built; what was tried says why above. Is this machine online, with room on"
            " its disk? Then: bash .ci/run tools",
        ),
    ],
    ids=["no Go", "no browser and not root", "no browser and no apt", "no network"],
)
def test_what_is_lacking_is_named(tmp_path: Path, programs: dict[str, str], status: int, sentence: str) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for name in SYSTEM:
        (path / name).symlink_to(str(shutil.which(name)))
    for name, text in programs.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    done = subprocess.run(
        [str(path / "bash"), TOOLS, tmp_path / "tools"],
        env={"PATH": str(path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[-1:] == [sentence], done.stdout + done.stderr
    assert list((tmp_path / "tools" / "bin").iterdir()) == []
