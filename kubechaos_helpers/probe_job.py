"""What is said between the prober and those who run it. Apart from the prober, which runs as a program.

Only the standard library: the prober's own process uses this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Job:
    """What to do. Seconds throughout; ``rate`` is requests a second of each visitor, 0 for as fast as it goes."""

    host: str
    port: int
    path: str = "/"
    visitors: int = 1
    requests: int = 20
    keep_alive: bool = True
    timeout: float = 5.0
    rate: float = 0.0
    pause: float = 0.0
    duration: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    ca_file: str = ""
    tls: bool = False


class Row(NamedTuple):
    """One visit as it is written: times in seconds since the start of the job."""

    start: float
    seconds: float
    visitor: int
    connection: int
    number: int
    pod: str
    status: int
    size: int
    error: str
