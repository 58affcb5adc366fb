"""How to be let in to an API server; apart from the client because it is read without one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where an API server is and how to be let in."""

    server: str
    ca_file: str
    token: str
