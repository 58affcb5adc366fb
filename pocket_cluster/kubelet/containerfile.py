"""Reads a Containerfile: which files an image consists of, and how its program starts.

The language is Docker's (docs.docker.com/reference/dockerfile) as far as an image needs it that adds files to Python.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_NAMES = re.compile(r"((docker\.io/)?library/|docker\.io/)?python(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<operator>:[-+])(?P<word>[^}]*))?\})"
)

# What a learner can do instead of the line that is refused.
INSTEAD = {
    "RUN": "Nothing can be installed into an image here: bring files with COPY and use Python's standard library.",
    "ADD": "Use COPY, and unpack archives before.",
    "LABEL": "Leave the line out: nothing here reads an image's labels.",
    "MAINTAINER": "Leave the line out.",
    "HEALTHCHECK": "Kubernetes ignores it: write a livenessProbe and a readinessProbe into the pod instead.",
    "VOLUME": "Leave the line out, and mount an emptyDir volume in the pod instead.",
    "STOPSIGNAL": "Leave the line out: the program is asked to stop with SIGTERM.",
    "SHELL": 'Leave the line out: a command without brackets runs in /bin/sh; else write CMD ["program", "word"].',
    "ONBUILD": "Leave the line out.",
}
SUPPORTED = "FROM, COPY, WORKDIR, ENV, ARG, EXPOSE, USER, CMD and ENTRYPOINT"


class ContainerfileError(Exception):
    """The file cannot be built; the text names the line, why, and what to do."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"line {line}: {sentence}")


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY sources… target``; the target is absolute and ends with ``/`` when it is a folder."""

    line: int
    sources: tuple[str, ...]
    target: str


@dataclass(slots=True)
class Recipe:
    """What a Containerfile says."""

    base: str = ""
    copies: list[Copy] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH, "LANG": "C.UTF-8"})
    working_directory: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=lambda: ["python3"])
    ports: list[str] = field(default_factory=list)
    user: str = ""


def parse(text: str) -> Recipe:
    """The recipe in a Containerfile's text; ContainerfileError for what cannot be built here."""
    return _Reader().read(text)


class _Reader:
    def __init__(self) -> None:
        self.recipe = Recipe()
        self._arguments: dict[str, str] = {}
        self._line = 0
        self._keywords: dict[str, Callable[[str], None]] = {
            "FROM": self._from,
            "COPY": self._copy,
            "WORKDIR": self._workdir,
            "ENV": self._env,
            "ARG": self._arg,
            "EXPOSE": self._expose,
            "USER": self._user,
            "CMD": self._cmd,
            "ENTRYPOINT": self._entrypoint,
        }

    def read(self, text: str) -> Recipe:
        for self._line, instruction in _instructions(text):
            keyword, _, rest = instruction.partition(" ")
            self._instruct(keyword.upper(), rest.strip())
        if not self.recipe.base:
            raise ContainerfileError(1, "There is no FROM. Start the file with: FROM python:3.13-slim")
        return self.recipe

    def _instruct(self, keyword: str, rest: str) -> None:
        if keyword not in self._keywords:
            instead = INSTEAD.get(keyword, f"Known here are {SUPPORTED}.")
            raise self._error(f"{keyword} is not supported by the pocket cluster. {instead}")
        if not rest:
            raise self._error(f"{keyword} needs something after it.")
        if not self.recipe.base and keyword not in ("FROM", "ARG"):
            raise self._error(f"{keyword} comes before FROM. Start the file with: FROM python:3.13-slim")
        self._keywords[keyword](rest)

    def _from(self, rest: str) -> None:
        if self.recipe.base:
            raise self._error("A second FROM (a build in stages) is not supported. Write one image into one file.")
        words = self._expand(rest).split()
        if words[0].startswith("--") or (len(words) > 1 and (len(words) != 3 or words[1].upper() != "AS")):
            raise self._error(f"FROM {rest} is not understood. Write: FROM python:3.13-slim")
        if not BASE_NAMES.fullmatch(words[0]):
            raise self._error(
                f"The base image {words[0]} is not there: the pocket cluster downloads nothing, and has only python:*,"
                " which is this machine's Python with its standard library. Write: FROM python:3.13-slim"
            )
        self.recipe.base = words[0]

    def _copy(self, rest: str) -> None:
        while rest.startswith("--"):
            option, _, rest = rest.partition(" ")
            if not option.startswith("--chown="):  # all files belong to the same user anyway, as with USER
                raise self._error(f"COPY {option.partition('=')[0]} is not supported. Leave the option out.")
            rest = rest.strip()
        words = [self._expand(word) for word in self._words(rest)]
        if len(words) < 2:
            raise self._error("COPY needs what to copy and where to. Write, for example: COPY app.py .")
        *sources, target = words
        folder = target.endswith("/") or posixpath.basename(target) in (".", "..") or len(sources) > 1
        absolute = posixpath.normpath(posixpath.join(self.recipe.working_directory, target))
        self.recipe.copies.append(Copy(self._line, tuple(sources), absolute.rstrip("/") + "/" if folder else absolute))

    def _workdir(self, rest: str) -> None:
        folder = posixpath.join(self.recipe.working_directory, self._expand(_unquoted(rest)))
        self.recipe.working_directory = posixpath.normpath(folder)

    def _env(self, rest: str) -> None:
        first, _, value = rest.partition(" ")
        if "=" not in first:  # the old form: ENV NAME the whole rest
            self.recipe.environment[first] = self._expand(value.strip())
            return
        pairs = [word.partition("=") for word in self._words(rest)]
        for name, equals, text in [(name, equals, self._expand(text)) for name, equals, text in pairs]:
            if not equals:
                raise self._error(f"ENV {name} has no value. Write: ENV {name}=value")
            self.recipe.environment[name] = text

    def _arg(self, rest: str) -> None:
        for word in self._words(rest):
            name, _, default = word.partition("=")
            self._arguments[name] = self._expand(default)

    def _expose(self, rest: str) -> None:
        for port in self._expand(rest).split():
            if not re.fullmatch(r"\d+(-\d+)?(/(tcp|udp))?", port):
                raise self._error(f"EXPOSE {port} is not a port. Write, for example: EXPOSE 3000")
            self.recipe.ports.append(port if "/" in port else f"{port}/tcp")

    def _user(self, rest: str) -> None:
        self.recipe.user = self._expand(rest)

    def _cmd(self, rest: str) -> None:
        self.recipe.command = self._program(rest)

    def _entrypoint(self, rest: str) -> None:
        self.recipe.entrypoint = self._program(rest)
        self.recipe.command = []  # an image's CMD from before its ENTRYPOINT does not count

    def _program(self, rest: str) -> list[str]:
        if not rest.startswith("["):
            return ["/bin/sh", "-c", rest]
        words = self._json_words(rest)
        if not words:
            raise self._error("The brackets are empty: there is no program to start.")
        return words

    def _words(self, rest: str) -> list[str]:
        if rest.startswith("["):
            return self._json_words(rest)
        try:
            return shlex.split(rest.replace("\\$", "\\\\$"))
        except ValueError as error:
            raise self._error(f"{rest} cannot be split into words ({error}). Check its quotation marks.") from error

    def _json_words(self, rest: str) -> list[str]:
        try:
            words = json.loads(rest)
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self._error(f'{rest} is not a list of texts. Write, for example: ["python", "app.py"]')
        return words

    def _expand(self, text: str) -> str:
        """Put the values of ARG and ENV in place of ``$NAME``, ``${NAME}``, ``${NAME:-word}`` and ``${NAME:+word}``."""
        known = {**self._arguments, **self.recipe.environment}

        def value(found: re.Match[str]) -> str:
            if found["escaped"]:
                return "$"
            text = known.get(found["plain"] or found["name"], "")
            if found["operator"] == ":-":
                return text or found["word"]
            if found["operator"] == ":+":
                return found["word"] if text else ""
            return text

        return VARIABLE.sub(value, text)

    def _error(self, sentence: str) -> ContainerfileError:
        return ContainerfileError(self._line, sentence)


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """Each instruction with the number of its first line; comments and continuations resolved."""
    start = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            continue
        start = start if parts else number
        parts.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield from _whole(start, parts)
            parts = []
    yield from _whole(start, parts)


def _whole(start: int, parts: list[str]) -> Iterator[tuple[int, str]]:
    instruction = " ".join(" ".join(parts).split("\t")).strip()
    if instruction:
        yield start, instruction


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
