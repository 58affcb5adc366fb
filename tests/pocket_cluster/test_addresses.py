"""Addresses that the API shows lead to this machine, and two clusters never share a block."""

import socket
import sys
from pathlib import Path

import pytest

from pocket_cluster import addresses
from pocket_cluster.addresses import AddressRange, BlockClaim, NoAddressRange

TRANSLATIONS = [
    (("10.244.0.7", 3000), ("127.81.0.7", 3000)),
    (("10.244.3.9", 80), ("127.81.3.9", 64080)),
    (("10.96.0.10", 443), ("127.81.128.10", 64443)),
    (("10.244.127.1", 40123), ("127.0.0.1", 40123)),
    (("192.168.1.1", 80), ("192.168.1.1", 80)),
    (("10.244.200.1", 80), ("10.244.200.1", 80)),
    (("localhost", 80), ("localhost", 80)),
]


@pytest.mark.parametrize(("shown", "local"), TRANSLATIONS)
def test_an_address_of_the_cluster_becomes_one_of_this_machine(shown: tuple[str, int], local: tuple[str, int]) -> None:
    assert AddressRange(81).to_local_socket(shown) == local


def test_an_address_of_this_machine_becomes_the_clusters_again() -> None:
    addresses = AddressRange(81)
    for shown in ("10.244.0.7", "10.96.5.6"):
        assert addresses.to_cluster(addresses.to_local(shown)) == shown
    assert addresses.to_cluster("127.0.0.1") == "127.0.0.1"
    assert addresses.to_cluster_port(64080) == 80


def test_with_one_address_each_pod_port_has_a_port_that_all_processes_agree_on(tmp_path: Path) -> None:
    first, second = (AddressRange(81, tmp_path / "ports.json") for _ in range(2))
    a, b = (first.to_local_socket((address, 3000)) for address in ("10.244.0.7", "10.244.0.8"))
    assert a[0] == b[0] == "127.0.0.1"
    assert a[1] != b[1]
    assert second.to_local_socket(("10.244.0.7", 3000)) == a


@pytest.mark.skipif(sys.platform != "linux", reason="this system has one address for all clusters")
def test_two_claims_never_hold_the_same_block_and_a_released_one_can_be_had_again() -> None:
    first = BlockClaim(None)
    second = BlockClaim(first.block)
    assert first.block != second.block
    first.release()
    again = BlockClaim(first.block)
    assert again.block == first.block
    again.release()
    second.release()


@pytest.mark.skipif(sys.platform != "linux", reason="this system has one address for all clusters")
def test_who_claims_every_block_keeps_no_cluster_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims are names that anybody can take: then a block is chosen where nobody listens."""
    monkeypatch.setattr(BlockClaim, "_is_claimed", lambda *_: False)
    monkeypatch.setattr(addresses, "FIRST_BLOCK", 60)  # below those of clusters
    monkeypatch.setattr(addresses, "LAST_BLOCK", 61)
    with socket.create_server(("127.60.3.4", 0)):
        claim = BlockClaim(60)
        assert claim.block == 61
        claim.release()
        with socket.create_server(("127.61.0.1", 0)), pytest.raises(NoAddressRange, match="are in use"):
            BlockClaim(None)
