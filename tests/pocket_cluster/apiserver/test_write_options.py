"""Who manages a field that was written without a fieldManager: the client's own name, as the real server reads it."""

import pytest

from pocket_cluster.apiserver.write_options import parse_write_options


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.36.3 (linux/amd64) kubernetes/abc", "kubectl"),
        ("OpenAPI-Generator/37.0.2/python", "OpenAPI-Generator"),
        ("a\x07b/1", "ab"),
        ("caf\udcff/1", "caf\ufffd"),  # aiohttp's way to hold a byte that is no UTF-8
        ("é" * 100, "é" * 64),
        ("/1", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_clients_own_name_is_the_manager(user_agent: str, manager: str) -> None:
    assert parse_write_options({}, "POST", user_agent, is_apply=False).manager == manager
