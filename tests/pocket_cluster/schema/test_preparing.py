"""What a request may not say is put right before validation."""

import copy

import pytest

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES
from pocket_cluster.apiserver.schema import prepare_for_create, prepare_for_update
from pocket_cluster.apiserver.schema.quality_of_service import quality_of_service


def deployment(**spec: object) -> Object:
    return {"metadata": {"name": "web", "generation": 3}, "spec": {"replicas": 1, **spec}, "status": {"replicas": 1}}


@pytest.mark.parametrize(
    "change", [{"spec": {"replicas": 2}}, {"metadata": {"name": "web", "annotations": {"a": "b"}}}]
)
def test_a_deployment_s_generation_rises_with_its_spec_and_its_annotations(change: Object) -> None:
    new = {**deployment(), **change}
    prepare_for_update(DEPLOYMENTS, new, deployment())
    assert new["metadata"]["generation"] == 4


def test_a_label_leaves_the_generation_alone_and_the_status_is_kept() -> None:
    new = {**deployment(), "metadata": {"name": "web", "labels": {"a": "b"}, "generation": 99}, "status": {}}
    prepare_for_update(DEPLOYMENTS, new, deployment())
    assert new["metadata"]["generation"] == 3
    assert new["status"] == {"replicas": 1}


def test_a_status_request_changes_the_status_alone() -> None:
    new = {**deployment(replicas=9), "metadata": {"name": "web", "labels": {"a": "b"}}, "status": {"replicas": 2}}
    prepare_for_update(DEPLOYMENTS, new, deployment(), "status")
    assert new == {"metadata": {"name": "web", "generation": 3}, "spec": {"replicas": 1}, "status": {"replicas": 2}}


def test_a_new_pod_is_pending_whatever_it_says() -> None:
    pod: Object = {"metadata": {}, "spec": {}, "status": {"phase": "Failed"}}
    prepare_for_create(PODS, pod)
    assert pod == {"metadata": {"generation": 1}, "spec": {}, "status": {"phase": "Pending", "qosClass": "BestEffort"}}


def test_an_update_keeps_what_the_system_wrote_and_the_request_left_out() -> None:
    old = {"metadata": {"name": "a", "uid": "1", "creationTimestamp": "2026-01-02T03:04:05Z"}, "spec": {}}
    new: Object = {"metadata": {"name": "a"}, "spec": {}}
    prepare_for_update(PODS, new, old)
    assert new == old


def test_a_namespace_is_finalized_by_kubernetes() -> None:
    namespace: Object = {"metadata": {"name": "a"}}
    prepare_for_create(NAMESPACES, namespace)
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}


def test_a_slice_s_generation_rises_with_its_endpoints_but_not_with_annotations() -> None:
    old = {"metadata": {"generation": 1}, "endpoints": []}
    changes: list[tuple[Object, int]] = [({"endpoints": [{}]}, 2), ({"metadata": {"annotations": {"a": "b"}}}, 1)]
    for change, generation in changes:
        new = {**copy.deepcopy(old), **change}
        prepare_for_update(ENDPOINT_SLICES, new, old)
        assert new["metadata"]["generation"] == generation


def service(**spec: object) -> Object:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    addresses = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"]}
    return {"metadata": {}, "spec": {"type": "NodePort", "ports": ports, **addresses, **spec}, "status": {}}


def test_a_service_keeps_its_addresses_and_node_ports_by_name() -> None:
    new: Object = {"metadata": {}, "spec": {"type": "NodePort", "ports": [{"name": "http", "port": 81}]}}
    prepare_for_update(SERVICES, new, service())
    assert new["spec"]["ports"] == [{"name": "http", "port": 81, "nodePort": 30080}]
    assert new["spec"]["clusterIPs"] == ["10.96.0.7"]


def test_a_service_that_becomes_internal_gives_up_its_node_ports() -> None:
    new = service(type="ClusterIP", externalTrafficPolicy="Cluster")
    prepare_for_update(SERVICES, new, service(externalTrafficPolicy="Cluster"))
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]


def test_a_service_that_becomes_a_name_gives_up_its_addresses() -> None:
    new = service(type="ExternalName", externalName="example.com")
    prepare_for_update(SERVICES, new, service())
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & set(new["spec"])


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"example.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "100m"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "512Mi"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
    ],
)
def test_the_quality_of_service_follows_from_requests_and_limits(resources: Object, quality: str) -> None:
    assert quality_of_service({"containers": [{"resources": resources}]}) == quality
