"""Services and EndpointSlices become the addresses that answer."""

import pytest
import yaml

from pocket_cluster.kube_proxy.services import fronts, other_protocols

NODE = "pocket"

SERVICE = """
metadata: {name: web, namespace: default}
spec:
  type: NodePort
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80, nodePort: 30080, protocol: TCP}]
"""
SLICE = """
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 3000, protocol: TCP}]
endpoints:
- {addresses: [10.244.0.2], nodeName: pocket, conditions: {ready: true, serving: true, terminating: false}}
- {addresses: [10.244.0.1], nodeName: pocket, conditions: {ready: true, serving: true, terminating: false}}
"""
P1, P2 = ("10.244.0.1", 3000), ("10.244.0.2", 3000)
CLUSTER, NODE_PORT = ("10.96.0.10", 80), ("127.0.0.1", 30080)


def seen(service: dict, *slices: dict) -> dict:
    return {front.address: front.endpoints for front in fronts([service], slices, NODE)}


def changed(text: str, **spec: object) -> dict:
    document = yaml.safe_load(text)
    document.get("spec", document).update(spec)
    return document


def endpoint(address: str, node: str | None = NODE, **conditions: bool | None) -> dict:
    return {"addresses": [address], "conditions": conditions} | ({"nodeName": node} if node else {})


BASE = yaml.safe_load(SERVICE)
PIECE = yaml.safe_load(SLICE)
BOTH = {CLUSTER: (P1, P2), NODE_PORT: (P1, P2)}

CASES = {
    "cluster address and node port lead to the ready endpoints": (BASE, [PIECE], BOTH),
    "without a node port only the cluster address answers": (
        changed(SERVICE, type="ClusterIP", ports=[{"name": "http", "port": 80}]),
        [PIECE],
        {CLUSTER: (P1, P2)},
    ),
    "nothing listens without a slice": (BASE, [], {}),
    "nothing listens without an endpoint": (BASE, [changed(SLICE, endpoints=[])], {}),
    "nothing listens for endpoints that are not ready": (
        BASE,
        [changed(SLICE, endpoints=[endpoint("10.244.0.1", ready=False, serving=False)])],
        {},
    ),
    "a headless Service has no address": (changed(SERVICE, clusterIP="None"), [PIECE], {}),
    "an ExternalName has no address": ({"metadata": BASE["metadata"], "spec": {"type": "ExternalName"}}, [], {}),
    "endpoints of all slices count, each once": (
        BASE,
        [PIECE, changed(SLICE, endpoints=[endpoint("10.244.0.3", ready=True), endpoint("10.244.0.1", ready=True)])],
        {CLUSTER: (P1, P2, ("10.244.0.3", 3000)), NODE_PORT: (P1, P2, ("10.244.0.3", 3000))},
    ),
    "another Service's slices do not count": (
        BASE,
        [{**PIECE, "metadata": {**PIECE["metadata"], "labels": {"kubernetes.io/service-name": "other"}}}],
        {},
    ),
    "another namespace's slices do not count": (
        BASE,
        [{**PIECE, "metadata": {**PIECE["metadata"], "namespace": "x"}}],
        {},
    ),
    "slices of other address types do not count": (BASE, [changed(SLICE, addressType="IPv6")], {}),
    "a port of another name does not count": (BASE, [changed(SLICE, ports=[{"name": "admin", "port": 9}])], {}),
    "a slice without ports has none": (BASE, [changed(SLICE, ports=None)], {}),
    "a condition that is not said means ready": (
        BASE,
        [changed(SLICE, endpoints=[endpoint("10.244.0.1"), endpoint("10.244.0.2", ready=None)])],
        BOTH,
    ),
    "with none ready those that serve while terminating are used": (
        BASE,
        [changed(SLICE, endpoints=[endpoint("10.244.0.1", ready=False, serving=True, terminating=True)])],
        {CLUSTER: (P1,), NODE_PORT: (P1,)},
    ),
    "UDP is not carried": (changed(SERVICE, ports=[{"name": "http", "port": 80, "protocol": "UDP"}]), [PIECE], {}),
    "internalTrafficPolicy Local keeps the cluster address to this node's endpoints": (
        changed(SERVICE, internalTrafficPolicy="Local"),
        [changed(SLICE, endpoints=[endpoint("10.244.0.1"), endpoint("10.244.0.2", node="elsewhere")])],
        BOTH | {CLUSTER: (P1,)},
    ),
    "and drops what comes when there is none here": (
        changed(SERVICE, internalTrafficPolicy="Local"),
        [changed(SLICE, endpoints=[endpoint("10.244.0.1", node=None), endpoint("10.244.0.2", node=None)])],
        BOTH | {CLUSTER: ()},
    ),
    "externalTrafficPolicy Local does not bind visitors on the node itself": (
        changed(SERVICE, externalTrafficPolicy="Local"),
        [changed(SLICE, endpoints=[endpoint("10.244.0.1", node=None), endpoint("10.244.0.2")])],
        BOTH,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    service, slices, expected = CASES[case]
    assert seen(service, *slices) == expected


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        ({"sessionAffinity": "None"}, 0),
        ({"sessionAffinity": "ClientIP"}, 10800),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}}}, 7),
    ],
)
def test_affinity_lasts_three_hours_unless_it_says_otherwise(spec, seconds):
    assert {front.affinity_seconds for front in fronts([changed(SERVICE, **spec)], [PIECE], NODE)} == {seconds}


def test_cluster_address_and_node_port_share_one_memory():
    assert {front.identity for front in fronts([BASE], [PIECE], NODE)} == {("default/web", "http")}


def test_protocols_that_are_not_carried_are_named():
    service = changed(SERVICE, ports=[{"port": 53, "protocol": "UDP"}, {"port": 53}, {"port": 1, "protocol": "SCTP"}])
    assert other_protocols(service) == ["SCTP", "UDP"]
    assert other_protocols(BASE) == []
