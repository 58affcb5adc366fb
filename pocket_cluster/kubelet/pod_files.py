"""Absolute paths inside a pod: what the image and the mounts own lies under the container's own root.

Only the standard library: this runs in every pod. Paths that the container does not own (``/usr/lib``, ``/dev/null``)
are the machine's.
"""

from __future__ import annotations

import builtins
import io
import os
import re
import sysconfig
from collections.abc import Callable
from typing import Any

# Functions of ``os`` by the arguments that are paths.
FIRST_ARGUMENT = (
    *("access", "chdir", "chmod", "chown", "listdir", "lstat", "mkdir", "mkfifo", "open", "readlink", "remove"),
    *("rmdir", "scandir", "stat", "statvfs", "truncate", "unlink", "utime"),
)
BOTH_ARGUMENTS = ("link", "rename", "replace")
SECOND_ARGUMENT = ("symlink",)
# Sets in ``os`` that tell what a function can do: the translated function can do the same.
ABILITIES = (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks)


class PodFiles:
    """Translates paths of one container; ``owned`` are absolute paths that lead into ``root``, which is below ``home``.

    Paths below ``home``, the cluster's folder, are the machine's, even where a container owns a folder above it.

    It can be put in place before the container is known (``become``), so that pods share the memory of that.
    """

    def __init__(self, root: str = "", owned: list[str] | None = None, home: str = "") -> None:
        self._interpreter = sysconfig.get_path("stdlib")
        self.become(root, owned or [], home or root)

    def become(self, root: str, owned: list[str], home: str) -> None:
        self._root = root
        self._untouched = (home, self._interpreter)
        self._exact = frozenset(owned)
        self._folders = tuple(path.rstrip("/") + "/" for path in owned)
        self._owned = owned

    def on_machine(self, path: Any) -> Any:
        """Where the path really is; descriptors and relative paths stay as they are."""
        if isinstance(path, bytes):
            return os.fsencode(self._translate(os.fsdecode(path)))
        if isinstance(path, str):
            return self._translate(path)
        return self._translate(os.fspath(path)) if isinstance(path, os.PathLike) else path

    def _translate(self, path: str) -> str:
        if path not in self._exact and not path.startswith(self._folders):
            return path
        if path.startswith(self._untouched):
            return path
        return self._root + path

    def in_text(self, text: str) -> str:
        """Translate every path of the container that the text mentions, e.g. in ``sh -c "cat /etc/config/colour"``."""
        names = "|".join(re.escape(path) for path in sorted(self._owned, key=len, reverse=True))
        mentioned = rf"(?<![\w./-])(?:{names})(?=/|[^\w.-]|\.?$)"
        return re.sub(mentioned, lambda found: self._root + found[0], text) if self._owned else text

    def install(self) -> None:
        """Let this process's file calls see the container's paths."""
        io.open = builtins.open = self._first(builtins.open)
        for names, translated in (
            (FIRST_ARGUMENT, self._first),
            (BOTH_ARGUMENTS, self._both),
            (SECOND_ARGUMENT, self._second),
        ):
            for name in names:
                original = getattr(os, name)
                replacement = translated(original)
                setattr(os, name, replacement)
                for ability in ABILITIES:
                    if original in ability:
                        ability.add(replacement)

    def _first(self, original: Callable[..., Any]) -> Callable[..., Any]:
        on_machine = self.on_machine

        def call(*arguments: Any, **named: Any) -> Any:
            if arguments:
                return original(on_machine(arguments[0]), *arguments[1:], **named)
            for argument in ("path", "file"):
                if argument in named:
                    named[argument] = on_machine(named[argument])
            return original(**named)

        return call

    def _both(self, original: Callable[..., Any]) -> Callable[..., Any]:
        on_machine = self.on_machine

        def call(src: Any, dst: Any, **named: Any) -> Any:
            return original(on_machine(src), on_machine(dst), **named)

        return call

    def _second(self, original: Callable[..., Any]) -> Callable[..., Any]:
        on_machine = self.on_machine

        def call(src: Any, dst: Any, *more: Any, **named: Any) -> Any:
            return original(src, on_machine(dst), *more, **named)

        return call
