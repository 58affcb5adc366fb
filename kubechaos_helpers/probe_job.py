"""What is said between the prober and those who run it. Apart from the prober, which runs as a program.

Only the standard library: the prober's own process uses this.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

# Kinds of error. Refused, and reset or closed before the first byte, are one kind: nobody answered. Unreachable is an
# address from which nothing came at all, not even a refusal.
NO_ANSWER, UNREACHABLE, CUT_OFF, TIMEOUT, NOT_HTTP = "no answer", "unreachable", "cut off", "timeout", "not HTTP"
NAME_NOT_FOUND, NOT_TRUSTED = "name not found", "certificate not trusted"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a server over TLS is shown, and how it is trusted: files with certificates, headers of each request."""

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    is_trusted: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def context(self) -> ssl.SSLContext:
        """For connections; a server that ``is_trusted`` is not asked for its certificate."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file or None)
        if self.is_trusted:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class Job:
    """What to do. Seconds throughout; ``rate`` is requests a second of each visitor, 0 for as fast as it goes.

    ``resting`` are local ports that no connection may come from.
    """

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
    tls: bool = False
    credentials: Credentials = field(default_factory=Credentials)
    resting: list[int] = field(default_factory=list)

    def line(self) -> str:
        """As it is sent to the prober."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Job:
        """The other way round."""
        fields = json.loads(line)
        return cls(**{**fields, "credentials": Credentials(**fields["credentials"])})


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
