"""The rules that a real kube-proxy writes for a Service, and which share of the connections they give to each pod.

In iptables mode each rule takes a part of what the rules before it left; in nftables mode one rule draws a number.
Source: Kubernetes, pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go.
"""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from kubechaos_helpers import printing
from kubechaos_helpers.api import Refused
from kubechaos_helpers.doors import execute
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import shipped
from kubechaos_helpers.programs import said_by

if TYPE_CHECKING:
    from kubechaos_helpers.cluster import Cluster

IPTABLES, NFTABLES = "iptables", "nftables"
COMMANDS = {IPTABLES: ("iptables-save", "-t", "nat"), NFTABLES: ("nft", "list", "table", "ip", "kube-proxy")}
# Where kubeadm, kind and minikube run kube-proxy.
NAMESPACE, SELECTOR = "kube-system", "k8s-app=kube-proxy"
# A prefix with which a command runs on a node as root, such as: ssh NODE sudo
ON_NODE, ON_NODE_SECONDS = "KUBECHAOS_ON_NODE", 20
RECORDED = "default/kubechaos-svc"
WIDTH = 112


class Rule(NamedTuple):
    """Where a rule sends a connection, and which part (0 to 1) it takes of those that reach it."""

    address: str
    takes: float


class Rules:
    """The rules of one Service: ``text`` as kube-proxy wrote it."""

    def __init__(self, text: str, service: str) -> None:
        """``service`` is NAMESPACE/NAME. CourseError when the text has no rules for it."""
        self.lines = iptables_lines(text, service) or nftables_lines(text, service)
        self.mode = IPTABLES if self.lines and self.lines[0].startswith("-A") else NFTABLES
        self.chain = [_rule(line) for line in self.lines] if self.mode == IPTABLES else _drawn(" ".join(self.lines))
        if not self.chain:
            raise CourseError(
                f"kube-proxy has no rules for {service}: no ready pod is behind it. See: kubectl get pods"
            )

    @property
    def shares(self) -> dict[str, float]:
        """The share (0 to 1) of all connections that each address gets."""
        parts = share_of_each([rule.takes for rule in self.chain]) if self.mode == IPTABLES else _equal(self.chain)
        return dict(zip((rule.address for rule in self.chain), parts, strict=True))

    def show(self) -> None:
        """Print the rules, and then what they come to."""
        for line in self.lines:
            print("\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False)))

    def show_shares(self) -> None:
        """Print what each rule takes, and the share of all connections that it is."""
        rows = [("SENDS TO", "REACHED BY", "TAKES", "SHARE OF ALL")]
        left = 1.0
        for address, share in self.shares.items():
            rows.append((address, f"{left:.0%}", f"{share / left:.0%}", f"{share:.0%}"))
            left -= share
        print(printing.align(rows if self.mode == IPTABLES else [(row[0], row[3]) for row in rows]))


def share_of_each(takes: list[float]) -> list[float]:
    """Which share of all connections each rule of a chain gets, when it takes that part of those that reach it."""
    left, shares = 1.0, []
    for each in takes:
        shares.append(left * each)
        left -= left * each
    return shares


def _equal(chain: list[Rule]) -> list[float]:
    return [1 / len(chain)] * len(chain)


# --- reading


def iptables_lines(text: str, service: str) -> list[str]:
    """The rules of a Service's chain in what ``iptables-save -t nat`` prints."""
    return [
        line
        for line in text.splitlines()
        if line.startswith("-A KUBE-SVC-") and f'"{service}:' in line and "->" in line
    ]


def _rule(line: str) -> Rule:
    address = re.search(r'-> ([^"]+)"', line)
    takes = re.search(r"--probability ([\d.]+)", line)
    return Rule(address[1] if address else "", float(takes[1]) if takes else 1.0)


def nftables_lines(text: str, service: str) -> list[str]:
    """The lines of a Service's chain in what ``nft list table ip kube-proxy`` prints."""
    found = re.search(rf"^\s*chain service-\w+-{re.escape(service)}/.*?^\s*\}}", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for line in found[0].splitlines()[1:-1]] if found else []


def _drawn(line: str) -> list[Rule]:
    addresses = re.findall(r"\d+ : ([\d.]+) \. (\d+)", line)
    return [Rule(f"{host}:{port}", 1 / len(addresses)) for host, port in addresses]


def recorded_rules(mode: str) -> Rules:
    """The rules of a recorded cluster with four pods, in ``iptables`` or ``nftables`` mode."""
    if mode not in COMMANDS:
        raise CourseError(f"There are no recorded rules in mode {mode!r}. Choose one of: {', '.join(COMMANDS)}.")
    return Rules(shipped(f"recordings/rules-{mode}-1-3.txt").read_text(encoding="utf-8"), RECORDED)


def read_rules(cluster: Cluster, service: str) -> Rules:
    """The rules that this cluster's kube-proxy wrote, where it may be asked; recorded ones elsewhere. Says which.

    It is asked on a node where ``$KUBECHAOS_ON_NODE`` says how, else in its pod.
    """
    if cluster.is_own:
        print("The pocket cluster's kube-proxy relays connections itself and writes no rules. A real one wrote these:")
        return recorded_rules(IPTABLES)
    name, prefix = f"{cluster.namespace}/{service}", shlex.split(os.environ.get(ON_NODE, ""))
    for mode, command in COMMANDS.items():
        text = said_by([*prefix, *command], ON_NODE_SECONDS) if prefix else _from_its_pod(cluster, command)
        if iptables_lines(text, name) or nftables_lines(text, name):
            inside = cluster.kubectl("-n", NAMESPACE, "exec", "daemonset/kube-proxy", "--", *command)
            print(f"This cluster's kube-proxy, in {mode} mode:")
            printing.command(*([*prefix, *command] if prefix else inside))
            return Rules(text, name)
    print(
        "Nobody may look into this cluster's kube-proxy from here: it runs outside of pods, or you have no right to"
        f" exec in {NAMESPACE}. On a node, root reads its rules with: {' '.join(COMMANDS[IPTABLES])}. If you may do"
        f' that, say how in {ON_NODE}, such as "ssh NODE sudo". Another cluster\'s kube-proxy wrote these:'
    )
    return recorded_rules(IPTABLES)


def _from_its_pod(cluster: Cluster, command: tuple[str, ...]) -> str:
    """What the command prints in a pod of kube-proxy, ``""`` when there is none or it may not be asked."""
    try:
        pods = cluster.api.request("GET", cluster.api.kind("pods").path(NAMESPACE), {"labelSelector": SELECTOR})[
            "items"
        ]
        return execute(cluster, pods[0]["metadata"]["name"], list(command), NAMESPACE) if pods else ""
    except (CourseError, Refused):
        return ""
