"""Numbers in the texts of objects, which may have any number of digits."""

from __future__ import annotations

import re

LARGEST = 2**63 - 1


def whole_number(text: str) -> int | None:
    """The number that digits stand for, at most what Go's 64 bits hold (``LARGEST``); None for any other text."""
    if not re.fullmatch(r"[0-9]+", text):
        return None
    digits = text.lstrip("0")
    return min(int(digits or "0"), LARGEST) if len(digits) <= 19 else LARGEST
