"""kube-proxy's rules are read as it writes them, and each pod's share follows from them."""

from __future__ import annotations

import pytest

from kubechaos_helpers import CourseError, page, recording
from kubechaos_helpers.rules import Rules, share_of_each

IPTABLES = """\
-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "shop/web:http cluster IP" -j KUBE-SVC-A
-A KUBE-SVC-A ! -s 10.244.0.0/16 -m comment --comment "shop/web:http cluster IP" -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m comment --comment "shop/web:http -> 10.0.0.1:80" -m statistic --mode random --probability 0.50 -j B
-A KUBE-SVC-A -m comment --comment "shop/web:http -> 10.0.0.2:80" -j C
-A KUBE-SVC-D -m comment --comment "shop/web2:http -> 10.0.0.3:80" -j E
-A KUBE-SVC-F -m comment --comment "shop2/web:http -> 10.0.0.4:80" -j G
"""
NFTABLES = """\
table ip kube-proxy {
	chain service-ABCDEFGH-shop/web/tcp/http {
		ip daddr 10.96.0.7 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
		meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 80 }
	}

	chain service-IJKLMNOP-shop/web2/tcp/http {
		meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.0.0.3 . 80 }
	}
}
"""


@pytest.mark.parametrize(("text", "mode"), [(IPTABLES, "iptables"), (NFTABLES, "nftables")])
def test_the_rules_of_one_service_are_found_among_others(text: str, mode: str) -> None:
    rules = Rules(text, "shop/web")
    assert rules.mode == mode
    assert rules.shares == {"10.0.0.1:80": 0.5, "10.0.0.2:80": 0.5}
    assert Rules(text, "shop/web2").shares == {"10.0.0.3:80": 1}


@pytest.mark.parametrize("text", [IPTABLES, NFTABLES, "", "command not found"])
def test_a_service_without_rules_gets_a_sentence(text: str) -> None:
    with pytest.raises(CourseError, match="no rules for shop/none: no ready pod is behind it"):
        Rules(text, "shop/none")


@pytest.mark.parametrize(
    ("takes", "shares"),
    [([1], [1]), ([0.5, 1], [0.5, 0.5]), ([0.25, 1 / 3, 0.5, 1], [0.25] * 4), ([0, 0.5, 0.5], [0, 0.5, 0.25])],
)
def test_each_rule_takes_its_part_of_what_is_left(takes: list[float], shares: list[float]) -> None:
    assert share_of_each(takes) == pytest.approx(shares)


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_recorded_rules_give_what_was_recorded_of_visits(mode: str) -> None:
    rules = page.recorded_rules(mode)
    assert list(rules.shares.values()) == pytest.approx([0.25] * 4, abs=1e-8)
    assert recording(f"{mode}-1-3").by("version").matches("custom", 3 * rules.chain[0].takes).verdict == "fits"


def test_the_shares_are_worked_out_rule_by_rule(capsys: pytest.CaptureFixture[str]) -> None:
    Rules(IPTABLES, "shop/web").show_shares()
    assert capsys.readouterr().out.splitlines()[1:] == [
        "10.0.0.1:80   100%         50%     50%",
        "10.0.0.2:80   50%          100%    50%",
    ]
