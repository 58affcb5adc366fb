"""What other programs of this machine print."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def said_by(command: Sequence[str], seconds: float) -> str:
    """What a program prints, ``""`` when it cannot be run or does not end in so many seconds."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
