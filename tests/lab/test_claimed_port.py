"""A port that a test holds is nobody else's, and where there is none left, that is said."""

import socket
import tempfile
from pathlib import Path

import claimed_port
import pytest


def test_a_port_is_claimed_once_and_free_again_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # so that nobody else claims it in between
    monkeypatch.setattr(claimed_port, "PORTS", range(29000, 30000))
    with claimed_port.claimed_port() as first:
        monkeypatch.setattr(claimed_port, "PORTS", range(first, first + 1))
        with pytest.raises(AssertionError, match=f"none of the ports {first} to {first} is free"):
            claimed_port.claimed_port().__enter__()
        with socket.create_server(("127.0.0.1", first)):
            pass
    with claimed_port.claimed_port() as again:
        assert again == first


def test_a_port_on_which_somebody_listens_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        monkeypatch.setattr(claimed_port, "PORTS", range(port, port + 1))
        with pytest.raises(AssertionError, match=f"none of the ports {port} to {port} is free"):
            claimed_port.claimed_port().__enter__()
