"""This interpreter and the commands that start it in a container: what a running process can do of them, and what not.

Only the standard library.
"""

from __future__ import annotations

import os
import posixpath
import sys
from dataclasses import dataclass, field

PYTHON_NAMES = ("python", "python3", f"python{sys.version_info.major}.{sys.version_info.minor}")
# Options that hold in any pod anyway: it never sees the environment of the cluster's own Python.
ISOLATION_OPTIONS = ("-I", "-E", "-S", "-s")
OPTIONS_WITH_VALUE = "WX"
FORK_OPTIONS = {"-u", "-B", *ISOLATION_OPTIONS}
# Variables that the interpreter reads once, as it starts.
COLD_VARIABLES = frozenset(
    {"PYTHONASYNCIODEBUG", "PYTHONDEBUG", "PYTHONDEVMODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONINSPECT"}
    | {"PYTHONIOENCODING", "PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONPROFILEIMPORTTIME", "PYTHONSAFEPATH"}
    | {"PYTHONTRACEMALLOC", "PYTHONVERBOSE", "PYTHONWARNINGS"}
)


def of_the_loader() -> dict[str, str]:
    """What this interpreter may need in its environment to find its own library: ld.so(8), dyld(1)."""
    names = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


@dataclass
class PythonCommand:
    """``python -u app.py one two`` taken apart. ``kind`` is script, -m, -c or, without a program, empty."""

    options: list[str] = field(default_factory=list)
    kind: str = ""
    target: str = ""
    arguments: list[str] = field(default_factory=list)

    def fits_fork(self, environment: dict[str, str]) -> bool:
        """Whether a process that runs already can behave as this command asks."""
        cold = COLD_VARIABLES & {name for name, value in environment.items() if value}
        return bool(self.kind) and not cold and FORK_OPTIONS.issuperset(self.options)

    def argv(self, program: str) -> list[str]:
        """The command again, without the options that would switch the translation off."""
        options = [option for option in self.options if option not in ISOLATION_OPTIONS]
        kind = [self.kind] if self.kind.startswith("-") else []
        return [program, *options, *kind, *([self.target] if self.kind else []), *self.arguments]


def read_python_command(argv: list[str]) -> PythonCommand | None:
    """Take a command apart as python(1) does; None when it does not start Python."""
    if posixpath.basename(argv[0]) not in PYTHON_NAMES:
        return None
    command, words = PythonCommand(), list(argv[1:])
    while words and words[0].startswith("-") and len(words[0]) > 1 and not command.kind:
        _read_options(command, words.pop(0), words)
    if not command.kind and words and words[0] != "-":
        command.kind, command.target = "script", words.pop(0)
    command.arguments = words
    return command


def _read_options(command: PythonCommand, word: str, following: list[str]) -> None:
    if word.startswith("--"):
        command.options.append(word)
        return
    for position, letter in enumerate(word[1:], 2):
        if letter in "cm" or letter in OPTIONS_WITH_VALUE:
            value = word[position:] or (following.pop(0) if following else "")
            if letter in "cm":
                command.kind, command.target = f"-{letter}", value
            else:
                command.options += [f"-{letter}", value]
            return
        command.options.append(f"-{letter}")
