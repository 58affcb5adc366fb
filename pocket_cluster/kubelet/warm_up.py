"""What the runtime does once before it forks, so that pods share the memory of it.

A page that a pod writes to is a page of its own, and Python writes to each object that it uses. So the fewer pages the
objects lie on that pods make and use, the better.
"""

from __future__ import annotations

import contextlib
import gc
import importlib

# What programs often import.
MODULES = (
    *("argparse", "asyncio", "base64", "collections", "concurrent.futures", "contextlib", "copy", "csv", "dataclasses"),
    *("datetime", "email.message", "enum", "functools", "glob", "hashlib", "html", "http.client", "http.server"),
    *("itertools", "json", "logging", "mimetypes", "pathlib", "platform", "queue", "random", "re", "secrets", "select"),
    *("shutil", "signal", "socketserver", "sqlite3", "ssl", "string", "struct", "subprocess", "tempfile", "textwrap"),
    *("threading", "time", "traceback", "typing", "urllib.parse", "urllib.request", "uuid", "zoneinfo"),
)
# CPython's allocator serves small objects, in steps of 16 bytes, from the gaps that others left all over its pools.
SMALLEST, LARGEST, STEP, HEAD = 48, 512, 16, 40
GAPS = 32 * 1024  # bytes for each size

_filling: list[bytes] = []


def warm_up() -> None:
    """Import what programs need, and leave no gaps between what that made."""
    for name in MODULES:
        with contextlib.suppress(ImportError):  # some systems build Python without sqlite3 or ssl
            importlib.import_module(name)
    gc.collect()
    _fill_gaps()
    gc.freeze()


def _fill_gaps() -> None:
    """So that what a pod makes lies together, on new pages."""
    for size in range(SMALLEST, LARGEST + 1, STEP):
        _filling.extend(bytes(size - HEAD) for _ in range(GAPS // size))
