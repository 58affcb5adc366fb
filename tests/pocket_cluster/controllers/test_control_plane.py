"""Deployments, Services and namespaces in a whole control plane, of which only the kubelet is pretended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eventually import eventually_async

from pocket_cluster.api.client import ApiError
from pocket_cluster.api.objects import (
    Object,
    annotations_of,
    condition,
    controller_of,
    is_being_deleted,
    name,
    pod_is_active,
    uid,
)
from pocket_cluster.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)

InCluster = Callable[..., None]
Plane = Any
REVISION = "deployment.kubernetes.io/revision"


def deployment(replicas: int, image: str = "v1", state: str = "ready", **spec: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": {"test/state": state}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": selector, "template": template, **spec},
    }


def service(**spec: Any) -> Object:
    defaults = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 3000}]}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {**defaults, **spec}}


def is_rolled_out(plane: Plane) -> bool:
    """As ``kubectl rollout status`` sees it."""
    for each in plane.items(DEPLOYMENTS):
        status, wanted = each.get("status") or {}, each["spec"]["replicas"]
        counts = {status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")}
        if status.get("observedGeneration") != each["metadata"]["generation"] or counts != {wanted}:
            return False
    return bool(plane.items(DEPLOYMENTS))


def addresses(plane: Plane, ready: bool = True) -> set[str]:
    return {
        address
        for piece in plane.items(ENDPOINT_SLICES)
        if piece["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
        for entry in piece.get("endpoints") or []
        if entry["conditions"]["ready"] is ready
        for address in entry["addresses"]
    }


def revisions(plane: Plane) -> dict[str, str]:
    """The image of each revision."""
    return {
        annotations_of(each)[REVISION]: each["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in plane.items(REPLICA_SETS)
    }


async def change(plane: Plane, **spec: Any) -> None:
    await plane.patch(DEPLOYMENTS, "web", {"spec": spec})


async def set_image(plane: Plane, image: str) -> None:
    await change(plane, template={"spec": {"containers": [{"name": "app", "image": image}]}})


async def messages(plane: Plane, reason: str) -> list[str]:
    events = (await plane.client.list(EVENTS, "default")).items
    return [event["message"] for event in events if event["reason"] == reason]


def test_a_deployment_becomes_pods_behind_its_service(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(SERVICES, service())
        await plane.create(DEPLOYMENTS, deployment(3))
        await plane.until(lambda: is_rolled_out(plane) and len(addresses(plane)) == 3, "three pods are listed")
        [created] = plane.items(DEPLOYMENTS)
        assert created["metadata"]["generation"] == 1, "noting the revision is no change of the spec"
        assert annotations_of(created)[REVISION] == "1"
        assert created["status"]["conditions"][1]["reason"] == "NewReplicaSetAvailable"
        pods = plane.items(PODS)
        assert {pod["spec"]["nodeName"] for pod in pods} == {"pocket"}
        [mirrored] = (each for each in plane.items(ENDPOINTS) if name(each) == "web")
        assert {each["ip"] for each in mirrored["subsets"][0]["addresses"]} == addresses(plane)
        [replica_set] = plane.items(REPLICA_SETS)
        scaled = await told(plane, "ScalingReplicaSet", 1)
        assert scaled == [f"Scaled up replica set {name(replica_set)} from 0 to 3"]
        assert sorted(await told(plane, "SuccessfulCreate", 3)) == sorted(f"Created pod: {name(pod)}" for pod in pods)
        assert len(await told(plane, "Scheduled", 3)) == 3

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS, ENDPOINT_SLICES, ENDPOINTS)


async def told(plane: Plane, reason: str, number: int) -> list[str]:
    """The events of that reason, which are written in the background."""
    wants = f"{number} events {reason}"
    return await eventually_async(lambda: messages(plane, reason), wants, so=lambda found: len(found) >= number)


def test_scaling_up_and_down_makes_exactly_the_pods_that_are_wanted(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        made = plane.all_ever(PODS)
        await plane.create(DEPLOYMENTS, deployment(2))
        await plane.until(lambda: is_rolled_out(plane), "two pods run")
        for size in (30, 5, 12, 0, 1):
            await change(plane, replicas=size)
            await plane.until(lambda: is_rolled_out(plane), f"{size} pods run")
            assert sum(map(pod_is_active, plane.items(PODS))) == size
        assert len(made) == 2 + 28 + 7 + 1, "never more than were lacking"

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_a_pod_that_is_deleted_is_replaced(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(1))
        await plane.until(lambda: is_rolled_out(plane), "one pod runs")
        [pod] = plane.items(PODS)
        await plane.client.delete(PODS, name(pod), "default")
        await plane.until(
            lambda: is_rolled_out(plane) and [uid(each) for each in plane.items(PODS)] not in ([], [uid(pod)]),
            "another pod runs in its place",
        )

    in_cluster(story, DEPLOYMENTS, PODS)


def test_history_is_kept_and_rolling_back_makes_an_old_revision_the_newest(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(2, revisionHistoryLimit=1))
        for image in ("v2", "v1"):
            await plane.until(lambda: is_rolled_out(plane), "rolled out")
            await set_image(plane, image)
        await plane.until(lambda: is_rolled_out(plane) and revisions(plane) == {"2": "v2", "3": "v1"}, "rolled back")
        [new] = (each for each in plane.items(REPLICA_SETS) if each["spec"]["replicas"])
        assert annotations_of(new)["deployment.kubernetes.io/revision-history"] == "1"
        await plane.until(lambda: annotations_of(plane.items(DEPLOYMENTS)[0])[REVISION] == "3", "the revision is noted")
        await set_image(plane, "v3")
        await plane.until(lambda: revisions(plane) == {"3": "v1", "4": "v3"}, "the oldest revision is forgotten")

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_the_change_cause_is_copied_to_the_replica_set(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(1))
        cause = {"metadata": {"annotations": {"kubernetes.io/change-cause": "why"}}}
        await plane.patch(DEPLOYMENTS, "web", cause, "default")
        await plane.until(
            lambda: (
                [annotations_of(each).get("kubernetes.io/change-cause") for each in plane.items(REPLICA_SETS)]
                == ["why"]
            ),
            "the ReplicaSet says why",
        )

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS)


def test_a_roll_out_of_pods_that_never_get_ready_keeps_the_old_ones_and_fails(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(4))
        await plane.until(lambda: is_rolled_out(plane), "four pods run")
        broken = {"metadata": {"annotations": {"test/state": "unready"}}}
        await change(plane, template=broken, progressDeadlineSeconds=1)
        stuck = await plane.until(lambda: failed(plane), "the deadline has passed")
        assert stuck["message"].endswith("has timed out progressing.")
        await plane.until(
            lambda: (available(plane), sum(map(pod_is_active, plane.items(PODS)))) == (3, 3 + 2),
            "one of the old pods has made room, and two new ones are there",
        )

    def available(plane: Plane) -> int:
        return int(plane.items(DEPLOYMENTS)[0]["status"]["availableReplicas"])

    def failed(plane: Plane) -> Object | None:
        progressing = condition(plane.items(DEPLOYMENTS)[0], "Progressing")
        return progressing if progressing and progressing["reason"] == "ProgressDeadlineExceeded" else None

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_recreate_starts_nothing_before_the_last_old_pod_is_gone(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(2, state="lingers", strategy={"type": "Recreate"}))
        await plane.until(lambda: is_rolled_out(plane), "two pods run")
        await set_image(plane, "v2")
        await plane.until(lambda: all(map(is_being_deleted, plane.items(PODS))), "the old pods end")
        for pod in plane.items(PODS):
            assert len(plane.items(REPLICA_SETS)) == 1
            await plane.client.delete(PODS, name(pod), "default", grace_period=0)
        await plane.until(lambda: is_rolled_out(plane), "the new pods run")
        assert revisions(plane) == {"1": "v1", "2": "v2"}

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_a_replica_set_of_that_name_that_is_anothers_is_a_collision(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(0))
        [original] = await plane.until(lambda: plane.items(REPLICA_SETS), "there is a ReplicaSet")
        await plane.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
        await plane.until(lambda: not plane.items(DEPLOYMENTS), "its Deployment is gone")
        assert controller_of(await plane.client.get(REPLICA_SETS, name(original), "default")) is None
        other = {"metadata": {"labels": {"app": "web", "pod-template-hash": "x"}}}
        foreign = {**original["spec"], "selector": {"matchLabels": {"pod-template-hash": "x"}}}
        foreign["template"] = {**foreign["template"], "metadata": other["metadata"]}
        await plane.client.delete(REPLICA_SETS, name(original), "default")
        await plane.create(
            REPLICA_SETS, {"metadata": {"name": name(original), "namespace": "default"}, "spec": foreign}
        )
        await plane.create(DEPLOYMENTS, deployment(1))
        await plane.until(lambda: is_rolled_out(plane), "it found another name")
        assert plane.items(DEPLOYMENTS)[0]["status"]["collisionCount"] == 1

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_a_pod_that_loses_its_label_is_let_go_and_replaced_and_adopted_when_it_has_it_again(
    in_cluster: InCluster,
) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(1))
        await plane.until(lambda: is_rolled_out(plane), "one pod runs")
        [pod] = plane.items(PODS)
        await plane.patch(PODS, name(pod), {"metadata": {"labels": {"app": "other"}}}, "default")
        await plane.until(lambda: len(plane.items(PODS)) == 2 and is_rolled_out(plane), "it was replaced")
        assert controller_of(await plane.client.get(PODS, name(pod), "default")) is None
        await plane.patch(PODS, name(pod), {"metadata": {"labels": {"app": "web"}}}, "default")
        await plane.until(lambda: len(plane.items(PODS)) == 1 and is_rolled_out(plane), "one of both is deleted")

    in_cluster(story, DEPLOYMENTS, PODS)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_with_a_deployment_go_its_replica_sets_and_pods(in_cluster: InCluster, policy: str) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(3))
        await plane.until(lambda: is_rolled_out(plane), "three pods run")
        await plane.client.delete(DEPLOYMENTS, "web", "default", propagation=policy)
        kinds = (DEPLOYMENTS, REPLICA_SETS, PODS)
        await plane.until(lambda: not any(plane.items(kind) for kind in kinds), "all of it is gone")

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_a_deployment_deleted_in_the_foreground_goes_last(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(1, state="lingers"))
        await plane.until(lambda: is_rolled_out(plane), "one pod runs")
        await plane.client.delete(DEPLOYMENTS, "web", "default", propagation="Foreground")
        [pod] = await plane.until(lambda: list(filter(is_being_deleted, plane.items(PODS))), "the pod ends")
        assert plane.items(DEPLOYMENTS)
        assert plane.items(REPLICA_SETS)
        await plane.client.delete(PODS, name(pod), "default", grace_period=0)
        await plane.until(lambda: not plane.items(DEPLOYMENTS), "the Deployment is gone")
        assert not plane.items(REPLICA_SETS)

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_orphaned_pods_stay_and_are_adopted_by_the_next_deployment(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(DEPLOYMENTS, deployment(2))
        await plane.until(lambda: is_rolled_out(plane), "two pods run")
        pods = {uid(pod) for pod in plane.items(PODS)}
        await plane.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
        await plane.until(lambda: not plane.items(DEPLOYMENTS), "the Deployment is gone")
        await plane.create(DEPLOYMENTS, deployment(2))
        await plane.until(lambda: is_rolled_out(plane), "another has its pods")
        assert {uid(pod) for pod in plane.items(PODS)} == pods

    in_cluster(story, DEPLOYMENTS, REPLICA_SETS, PODS)


def test_an_object_whose_owner_never_was_is_collected(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "never-was"}
        await plane.create(
            CONFIG_MAPS, {"metadata": {"name": "child", "namespace": "default", "ownerReferences": [owner]}}
        )
        await plane.until(
            lambda: "child" not in map(name, plane.items(CONFIG_MAPS)) and plane.items(CONFIG_MAPS), "it is collected"
        )

    in_cluster(story, CONFIG_MAPS)


def test_a_service_lists_pods_by_readiness_and_keeps_its_slice(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(SERVICES, service())
        [placeholder] = await plane.until(lambda: slices(plane), "there is a placeholder")
        assert not placeholder.get("endpoints")
        await plane.create(DEPLOYMENTS, deployment(2, state="unready"))
        await plane.until(lambda: len(addresses(plane, ready=False)) == 2, "two pods are listed as not ready")
        await change(plane, template={"metadata": {"annotations": {"test/state": "ready"}}})
        await plane.until(lambda: len(addresses(plane)) == 2 and not addresses(plane, ready=False), "two are ready")
        await plane.client.delete(DEPLOYMENTS, "web", "default")
        await plane.until(lambda: not addresses(plane), "nobody is listed")
        assert [uid(piece) for piece in slices(plane)] == [uid(placeholder)]
        await plane.client.delete(SERVICES, "web", "default")
        await plane.until(lambda: not slices(plane) and "web" not in map(name, plane.items(ENDPOINTS)), "all is gone")

    def slices(plane: Plane) -> list[Object]:
        return [each for each in plane.items(ENDPOINT_SLICES) if name(each).startswith("web-")]

    in_cluster(story, DEPLOYMENTS, PODS, ENDPOINT_SLICES, ENDPOINTS)


def test_a_namespace_has_its_account_and_certificates_and_goes_with_all_that_is_in_it(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.create(NAMESPACES, {"metadata": {"name": "lesson"}})
        await plane.until(
            lambda: (
                list(map(name, plane.items(SERVICE_ACCOUNTS, "lesson"))) == ["default"]
                and list(map(name, plane.items(CONFIG_MAPS, "lesson"))) == ["kube-root-ca.crt"]
            ),
            "the account and the certificates are there",
        )
        inside = {**deployment(2, state="lingers"), "metadata": {"name": "web", "namespace": "lesson"}}
        await plane.create(DEPLOYMENTS, inside)
        await plane.until(
            lambda: len([p for p in plane.items(PODS, "lesson") if p["spec"].get("nodeName")]) == 2, "run"
        )
        await plane.client.delete(NAMESPACES, "lesson")
        await plane.until(lambda: all(map(is_being_deleted, plane.items(PODS, "lesson"))), "the pods end")
        assert (await plane.client.get(NAMESPACES, "lesson"))["status"]["phase"] == "Terminating"
        for pod in plane.items(PODS, "lesson"):
            await plane.client.delete(PODS, name(pod), "lesson", grace_period=0)
        await plane.until(lambda: "lesson" not in map(name, plane.items(NAMESPACES, "")), "the namespace is gone")
        assert not (await plane.client.list(EVENTS, "lesson")).items

    in_cluster(story, NAMESPACES, PODS, CONFIG_MAPS, SERVICE_ACCOUNTS)


def test_a_pod_waits_for_a_cordoned_node_and_is_placed_when_it_is_open_again(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        await plane.until(lambda: plane.items(NODES, ""), "there is a node")
        await plane.patch(NODES, "pocket", {"spec": {"unschedulable": True}}, None)
        await plane.until(lambda: plane.items(NODES, "")[0]["spec"].get("taints"), "the node is tainted")
        await plane.create(DEPLOYMENTS, deployment(1))
        waiting = await plane.until(lambda: unscheduled(plane), "the pod says why it waits")
        assert (waiting["status"], waiting["reason"]) == ("False", "Unschedulable")
        assert waiting["message"].startswith("0/1 nodes are available: 1 node(s) were unschedulable. ")
        assert await told(plane, "FailedScheduling", 1) == [waiting["message"]]
        await plane.patch(NODES, "pocket", {"spec": {"unschedulable": None}}, None)
        await plane.until(lambda: is_rolled_out(plane), "the pod runs")
        await plane.until(lambda: not plane.items(NODES, "")[0]["spec"].get("taints"), "the taint is gone")

    def unscheduled(plane: Plane) -> Object | None:
        return next(filter(None, (condition(pod, "PodScheduled") for pod in plane.items(PODS))), None)

    in_cluster(story, NODES, DEPLOYMENTS, PODS)


def test_a_pod_that_needs_room_is_placed_when_another_leaves(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        for who in ("first", "second"):
            requested = {"requests": {"memory": "3Gi"}}
            containers = [{"name": "app", "image": "v1", "resources": requested}]
            await plane.create(
                PODS, {"metadata": {"name": who, "namespace": "default"}, "spec": {"containers": containers}}
            )
        await plane.until(lambda: len(placed(plane)) == 1, "one has a node")
        await plane.until(
            lambda: any("Insufficient memory" in str(pod["status"]) for pod in plane.items(PODS)), "the other waits"
        )
        await plane.client.delete(PODS, placed(plane)[0], "default")
        await plane.until(lambda: len(plane.items(PODS)) == 1 and len(placed(plane)) == 1, "the other has the node")

    def placed(plane: Plane) -> list[str]:
        return [name(pod) for pod in plane.items(PODS) if pod["spec"].get("nodeName")]

    in_cluster(story, PODS)


def test_a_deployment_cannot_be_made_in_a_namespace_that_goes(in_cluster: InCluster) -> None:
    async def story(plane: Plane) -> None:
        finalized = {"metadata": {"name": "lesson"}, "spec": {}}
        await plane.create(NAMESPACES, finalized)
        held = {"metadata": {"name": "held", "namespace": "lesson", "finalizers": ["example.com/mine"]}}
        await plane.create(CONFIG_MAPS, held)
        await plane.client.delete(NAMESPACES, "lesson")
        inside = {**deployment(1), "metadata": {"name": "web", "namespace": "lesson"}}
        with pytest.raises(ApiError, match="because it is being terminated"):
            await plane.create(DEPLOYMENTS, inside)
        await plane.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, "lesson")
        await plane.until(lambda: "lesson" not in map(name, plane.items(NAMESPACES, "")), "the namespace is gone")

    in_cluster(story, NAMESPACES)
