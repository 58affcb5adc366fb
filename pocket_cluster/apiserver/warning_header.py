"""What a client should know beside the answer: the Warning header, within the bounds of the real API server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

# In characters (apiserver, endpoints/filters/warning.go).
LONGEST, LONGEST_CUT = 4096, 256
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")  # no header may hold them


def warning_header(warnings: Iterable[str]) -> dict[str, str]:
    """The header that says them, or none."""
    quoted = (warning.replace("\\", "\\\\").replace('"', '\\"') for warning in _bounded(warnings))
    text = ", ".join(f'299 - "{warning}"' for warning in quoted)
    return {"Warning": text} if text else {}


def _bounded(warnings: Iterable[str]) -> list[str]:
    """Each one once; when all together are too long each is cut, and what then goes beyond the bound stays unsaid."""
    sayable = [each for each in dict.fromkeys(warnings) if not CONTROL_CHARACTERS.search(each)]
    if sum(map(len, sayable)) <= LONGEST:
        return sayable
    cut = [each[:LONGEST_CUT] for each in sayable]
    before = itertools.accumulate(map(len, cut), initial=0)
    return [each for each, length in zip(cut, before, strict=False) if length < LONGEST]
