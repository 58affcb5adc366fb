"""Clients that nobody here wrote go through a Deployment's life, each in its own manner."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from typing import Any

import pytest

kubernetes = pytest.importorskip("kubernetes", reason="The official client is part of the course, not of the cluster.")
SECONDS = 30


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "web", "image": "local/web:v1", "ports": [{"containerPort": 3000}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def client(kubeconfig: str) -> Any:
    found = kubernetes.config.new_client_from_config(kubeconfig)
    yield found
    found.close()


def test_the_official_client(client: Any) -> None:
    apps, core = kubernetes.client.AppsV1Api(client), kubernetes.client.CoreV1Api(client)
    made = apps.create_namespaced_deployment("default", deployment("sync"))
    assert (made.spec.strategy.type, made.status.replicas) == ("RollingUpdate", None)
    watch = kubernetes.watch.Watch()
    events = watch.stream(
        apps.list_namespaced_deployment,
        "default",
        label_selector="",
        timeout_seconds=SECONDS,
        field_selector="metadata.name=sync",
    )
    assert any(event["object"].status.available_replicas == 1 for event in events)
    pod = core.list_namespaced_pod("default", label_selector="app=sync").items[0].metadata.name
    with core.read_namespaced_pod_log(
        pod, "default", follow=True, _preload_content=False, _request_timeout=SECONDS
    ) as log:
        assert log.readline()
    assert core.read_namespaced_pod_log(pod, "default", tail_lines=1)
    apps.patch_namespaced_deployment_scale("sync", "default", {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("sync", "default").spec.replicas == 2
    apps.patch_namespaced_deployment(
        "sync", "default", [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    )
    assert apps.read_namespaced_deployment("sync", "default").metadata.labels == {"a": "b"}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        apps.create_namespaced_deployment("default", deployment("sync"))
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    status = apps.delete_namespaced_deployment("sync", "default")
    assert status["status"] == "Success"  # the client leaves it as it came
    while (left := core.list_namespaced_pod("default", label_selector="app=sync")).items:
        since = {"resource_version": left.metadata.resource_version, "timeout_seconds": SECONDS}
        events = watch.stream(core.list_namespaced_pod, "default", label_selector="app=sync", **since)
        assert any(event["type"] == "DELETED" for event in events)


def test_its_pages(client: Any) -> None:
    core = kubernetes.client.CoreV1Api(client)
    for number in range(5):
        core.create_namespaced_config_map(
            "default", {"metadata": {"name": f"page-{number}", "labels": {"of": "pages"}}}
        )
    names, token = [], None
    while token != "":
        part = core.list_namespaced_config_map("default", label_selector="of=pages", limit=2, _continue=token)
        names += [each.metadata.name for each in part.items]
        token = part.metadata._continue or ""
    assert names == [f"page-{number}" for number in range(5)]
    core.delete_collection_namespaced_config_map("default", label_selector="of=pages")
    assert core.list_namespaced_config_map("default", label_selector="of=pages").items == []


def test_its_dynamic_client(client: Any) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(client)
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    name = "dynamic"
    applied = deployments.server_side_apply(body=deployment(name), name=name, namespace="default", field_manager="test")
    assert applied.metadata.managedFields[0].manager == "test"
    for event in deployments.watch(namespace="default", field_selector=f"metadata.name={name}", timeout=SECONDS):
        if event["object"].status.availableReplicas == 1:
            break
    else:
        pytest.fail("The Deployment did not become available.")
    patched = deployments.patch(body={"spec": {"replicas": 0}}, name=name, namespace="default")
    assert patched.spec.replicas == 0
    deployments.delete(name=name, namespace="default")
    with pytest.raises(kubernetes.dynamic.exceptions.NotFoundError):
        deployments.get(name=name, namespace="default")


def test_its_informer(client: Any) -> None:
    informer_module = pytest.importorskip("kubernetes.informer", reason="This version of the client has no informer.")
    core = kubernetes.client.CoreV1Api(client)
    seen: list[tuple[str, str]] = []
    has_listed, is_deleted = threading.Event(), threading.Event()

    def note(kind: str) -> Any:
        def handle(*objects: Any) -> None:
            seen.append((kind, objects[-1].metadata.name))
            if seen[-1] == ("ADDED", "before"):
                has_listed.set()
            if kind == "DELETED":
                is_deleted.set()

        return handle

    core.create_namespaced_config_map("default", {"metadata": {"name": "before", "labels": {"of": "informer"}}})
    informer = informer_module.SharedInformer(
        list_func=core.list_namespaced_config_map, namespace="default", label_selector="of=informer"
    )
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, note(kind))
    informer.start()
    try:
        assert has_listed.wait(SECONDS)
        core.create_namespaced_config_map("default", {"metadata": {"name": "later", "labels": {"of": "informer"}}})
        core.patch_namespaced_config_map("later", "default", {"data": {"a": "b"}})
        core.delete_namespaced_config_map("later", "default")
        assert is_deleted.wait(SECONDS)
    finally:
        informer.stop()
    assert [each for each in seen if each[1] == "later"] == [
        ("ADDED", "later"),
        ("MODIFIED", "later"),
        ("DELETED", "later"),
    ]
    assert ("ADDED", "before") in seen
    core.delete_namespaced_config_map("before", "default")


def test_its_asyncio_client(kubeconfig: str) -> None:
    aio = pytest.importorskip("kubernetes.aio", reason="This version of the client has no asyncio.")

    async def live() -> None:
        async with await aio.config.new_client_from_config(kubeconfig) as found:
            apps = aio.client.AppsV1Api(found)
            await apps.create_namespaced_deployment("default", deployment("aio"))
            watch = aio.watch.Watch()
            async with asyncio.timeout(SECONDS):
                async for event in watch.stream(
                    apps.list_namespaced_deployment, "default", field_selector="metadata.name=aio"
                ):
                    if event["object"].status.available_replicas == 1:
                        break
            await watch.close()
            pods = await aio.client.CoreV1Api(found).list_namespaced_pod("default", label_selector="app=aio")
            assert [pod.status.phase for pod in pods.items] == ["Running"]
            await apps.delete_namespaced_deployment("aio", "default")

    asyncio.run(live())


def test_kr8s(kubeconfig: str) -> None:
    kr8s = pytest.importorskip("kr8s", reason="kr8s is for these tests alone.")
    api = kr8s.api(kubeconfig=kubeconfig)
    made = kr8s.objects.Deployment(deployment("kr8s"), api=api)
    made.create()
    made.wait("condition=Available", timeout=SECONDS)
    pods = made.pods()
    assert {pod.labels["app"] for pod in pods} == {"kr8s"}
    assert any("Serving HTTP" in line for line in pods[0].logs(follow=True, timeout=SECONDS))
    made.scale(2)
    assert pods[0].exec(["echo", "hello"]).stdout == b"hello\n"
    with pods[0].portforward(3000) as port:
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).status == 200
    made.label(a="b")
    made.patch({"spec": {"replicas": 0}})
    assert kr8s.objects.Deployment.get("kr8s", api=api).replicas == 0
    made.delete()
    made.wait("delete", timeout=SECONDS)
    assert not made.exists()
