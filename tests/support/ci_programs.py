"""The programs of ``.ci`` as modules, and a repository for them to look at."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

CI = Path(__file__).parents[2] / ".ci"
sys.path.append(str(CI))  # one uses another
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def load(name: str, folder: Path) -> ModuleType:
    """The program, with a repository of one commit to check, and an empty folder of tools."""
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    found.ROOT, found.TOOLS = folder / "a clone", folder / "tools"
    found.ROOT.mkdir()
    git(found, "init", "--quiet")
    commit(found, "README.md", "first")
    return found


def git(program: ModuleType, *words: str) -> str:
    return subprocess.run(
        ["git", *IDENTITY, *words], cwd=program.ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(program: ModuleType, file: str, text: str) -> str:
    """Write a file and commit it; the commit's short hash."""
    (program.ROOT / file).write_text(text)
    git(program, "add", file)
    git(program, "commit", "--quiet", "--message", text)
    return git(program, "rev-parse", "--short", "HEAD")
