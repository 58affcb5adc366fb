"""A PATH with Python, git, a shell and little more: a test that starts something else by its name does so by accident.

What a machine may lack is asked for by a fixture, which looks on the machine's own PATH and skips where it is not.
"""

import os
import shutil
import sys
from pathlib import Path

MACHINES_OWN = "KUBECHAOS_MACHINES_PATH"  # xdist's workers inherit it, and the other PATH
# From Debian's essential packages, so that every Debian has them: for shell scripts, tests' own and the course's.
ESSENTIAL = ("basename", "bash", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "grep", "head", "id")
ESSENTIAL += ("ln", "ls", "mkdir", "mktemp", "mv", "nproc", "rm", "sed", "seq", "sh", "sleep", "sort", "tail", "tee")
ESSENTIAL += ("timeout", "touch", "tr", "true", "uname", "wc")


def leave_only_bare_path(folder: Path) -> None:
    """Have this process, and all that it starts, find these programs and those of this Python's environment alone."""
    os.environ.setdefault(MACHINES_OWN, os.environ.get("PATH", os.defpath))
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    for name in ("git", *ESSENTIAL):
        if program := machines_program(name):
            (folder / name).symlink_to(program)
    environment = [str(Path(sys.executable).parent)] if sys.prefix != sys.base_prefix else []
    os.environ["PATH"] = os.pathsep.join([*environment, str(folder)])


def machines_path() -> str:
    """The PATH that this machine has."""
    return os.environ.get(MACHINES_OWN) or os.environ.get("PATH", os.defpath)


def machines_program(name: str) -> str | None:
    """The path of a program that this machine may have."""
    return shutil.which(name, path=machines_path())
