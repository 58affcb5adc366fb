"""How long a failing container or image waits until it is tried again (client-go, util/flowcontrol/backoff.go)."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
# After this long without a failure the next one counts as the first.
FORGET_SECONDS = 2 * LONGEST_SECONDS


@dataclass(slots=True)
class BackOff:
    """One thing's failures. Times are seconds of one clock."""

    seconds: float = 0.0
    updated: float = 0.0

    def remaining(self, failed: float, now: float) -> float:
        """Seconds still to wait after a failure at ``failed``; 0 when it may be tried."""
        if not self.seconds or failed - self.updated > FORGET_SECONDS:
            return 0.0
        return max(0.0, failed + self.seconds - now)

    def next(self, now: float) -> None:
        """It is tried again: the next failure waits twice as long."""
        expired = now - self.updated > FORGET_SECONDS
        self.seconds = FIRST_SECONDS if expired or not self.seconds else min(self.seconds * 2, LONGEST_SECONDS)
        self.updated = now
