"""For each new connection a usable endpoint is drawn, or has its turn, or is the one that the client had."""

import itertools
import random
from collections import Counter

import pytest

from kubechaos_helpers.statistics import chance_of
from pocket_cluster.kube_proxy.choose import MODES, RANDOM, ROUND_ROBIN, Endpoint, Memory, choose, usable

A, B, C = ("10.244.0.1", 3000), ("10.244.0.2", 3000), ("10.244.0.3", 3000)
NOT_READY = {"ready": False, "serving": False}
LEAVING = {"ready": False, "serving": True, "terminating": True}
LEAVING_AND_BROKEN = {"ready": False, "serving": False, "terminating": True}


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([], ()),
        ([Endpoint(A), Endpoint(B)], (A, B)),
        ([Endpoint(A), Endpoint(B, **NOT_READY)], (A,)),
        ([Endpoint(A), Endpoint(B, **LEAVING)], (A,)),
        ([Endpoint(A, **NOT_READY), Endpoint(B, **LEAVING)], (B,)),
        ([Endpoint(A, **LEAVING_AND_BROKEN), Endpoint(B, **LEAVING)], (B,)),
        ([Endpoint(A, **NOT_READY)], ()),
        ([Endpoint(A, **LEAVING_AND_BROKEN)], ()),
    ],
)
def test_ready_endpoints_count_else_those_that_serve_while_they_terminate(endpoints, expected):
    assert usable(endpoints) == expected


@pytest.mark.parametrize("pods", [2, 3, 4, 50])
def test_at_random_every_endpoint_has_the_same_chance_whoever_was_last(pods):
    endpoints = [(f"10.244.0.{number}", 3000) for number in range(pods)]
    dice, memory = random.Random(20_26), Memory()
    drawn = [choose(endpoints, "127.0.0.1", memory, dice=dice) for _ in range(4000)]
    # 1e-6 for all endpoints together and for the repeats
    assert all(chance_of(count, 4000, 1 / pods) > 1e-6 / pods for count in Counter(drawn).values())
    repeats = sum(a == b for a, b in itertools.pairwise(drawn))
    assert chance_of(repeats, 3999, 1 / pods) > 1e-6


def test_in_turns_every_endpoint_follows_the_one_before():
    memory = Memory()
    drawn = [choose([A, B, C], "127.0.0.1", memory, ROUND_ROBIN) for _ in range(7)]
    assert drawn == [A, B, C, A, B, C, A]


def test_turns_of_one_service_port_do_not_depend_on_another():
    one, other = Memory(), Memory()
    drawn = [choose([A, B], "127.0.0.1", memory, ROUND_ROBIN) for memory in (one, other, one, other)]
    assert drawn == [A, A, B, B]


def test_turns_go_on_when_endpoints_change():
    memory = Memory()
    assert choose([A, B, C], "", memory, ROUND_ROBIN) == A
    assert [choose([A, B], "", memory, ROUND_ROBIN) for _ in range(3)] == [B, A, B]


def test_with_affinity_a_client_stays_and_another_client_is_drawn_anew():
    memory = Memory()

    def served(client: str) -> tuple[str, int]:
        return choose([A, B], client, memory, ROUND_ROBIN, affinity_seconds=100, now=1)

    assert [served("one"), served("one"), served("other"), served("one"), served("other")] == [A, A, B, A, B]


def test_affinity_ends_after_its_time_and_each_new_connection_begins_it_anew():
    memory = Memory()

    def served(now: float) -> tuple[str, int]:
        return choose([A, B, C], "one", memory, ROUND_ROBIN, affinity_seconds=10, now=now)

    assert [served(0), served(9), served(18), served(28), served(37.9)] == [A, A, A, B, B]


def test_affinity_ends_when_the_endpoint_is_no_longer_usable():
    memory = Memory()
    assert choose([A, B], "one", memory, ROUND_ROBIN, 10, 0) == A
    assert choose([B], "one", memory, ROUND_ROBIN, 10, 1) == B
    assert choose([A, B], "one", memory, ROUND_ROBIN, 10, 2) == B


def test_clients_whose_time_is_over_are_forgotten():
    memory = Memory()
    for number in range(100):
        choose([A, B], f"client {number}", memory, RANDOM, 10, now=number)
    assert len(memory.clients) == 10


def test_the_real_modes_names_are_understood():
    assert {name for name, mode in MODES.items() if mode == RANDOM} == {"random", "iptables", "nftables"}
    assert {name for name, mode in MODES.items() if mode == ROUND_ROBIN} == {"round-robin", "ipvs"}
