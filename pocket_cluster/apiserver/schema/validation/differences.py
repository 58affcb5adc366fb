"""The difference of two objects as the real API shows it: a unified diff of JSON (apimachinery, pkg/util/diff)."""

from __future__ import annotations

import difflib
import json
from typing import Any


def difference(old: Any, new: Any) -> str:
    """Changed lines with three lines around them."""
    before, after = (json.dumps(each, indent=1, ensure_ascii=False).splitlines() for each in (old, new))
    shown = difflib.unified_diff(before, after, lineterm="", n=3)
    # The first two lines would name files.
    return "\n".join([*list(shown)[2:], ""])
