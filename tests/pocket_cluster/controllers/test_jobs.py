"""A Job makes, counts and ends pods as the real one does; its pods know their index."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket_cluster.api.objects import Object, condition, labels, name
from pocket_cluster.api.resources import JOBS, PODS
from pocket_cluster.controllers.controller import Informers
from pocket_cluster.controllers.job import JobController
from pocket_cluster.controllers.job_decisions import plan, seconds_to_live
from pocket_cluster.controllers.job_indexes import parse_indexes, show_indexes
from pocket_cluster.controllers.job_pods import FINALIZER, INDEX, new_pod

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent / "golden/jobs.yaml").read_text())


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(name: str, phase: str, more: Object) -> Object:
    metadata: Object = {"name": name, "uid": name, "finalizers": [] if more.get("counted") else [FINALIZER]}
    if "index" in more:
        metadata["labels"] = {INDEX: str(more["index"])}
    if more.get("ending"):
        metadata |= {"deletionTimestamp": ago(0), "deletionGracePeriodSeconds": 30}
    container: Object = {"name": "c", "restartCount": more.get("restarts", 0)}
    if "ended" in more:
        container["state"] = {"terminated": {"exitCode": more.get("exit", 1), "finishedAt": ago(more["ended"])}}
    status = {"phase": phase, "containerStatuses": [container]}
    return {"metadata": metadata, "spec": {"nodeName": "here"}, "status": status}


def make_job(spec: Object, status: Object | None = None) -> Object:
    given = {"parallelism": 1, "backoffLimit": 6, "podReplacementPolicy": "TerminatingOrFailed", **spec}
    restart = given.pop("restartPolicy", "Never")
    given["template"] = {"spec": {"restartPolicy": restart, "containers": [{"name": "c"}]}}
    started = {"startTime": ago(60), **(status or {})}
    return {"metadata": {"name": "sums", "namespace": "default", "uid": "u"}, "spec": given, "status": started}


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_controller_does_that(case: Object) -> None:
    pods = [make_pod(name, *([*said, {}][:2])) for name, said in case.get("pods", {}).items()]
    planned, then = plan(make_job(case["spec"], case.get("status")), pods, NOW), case["then"]
    assert [name(pod) for pod in planned.delete] == then.get("delete", [])
    assert [name(pod) for pod in planned.release] == then.get("release", [])
    assert [*planned.create] == then.get("create", [])
    assert planned.again == then.get("again")
    status = planned.status
    assert {key: status[key] for key in ("active", "succeeded", "failed") if key in status} == then["counts"]
    assert status["uncountedTerminatedPods"] == then.get("uncounted", {})
    assert status.get("completedIndexes") == then.get("completed")
    conditions = status.get("conditions", [])
    assert [each["type"] for each in conditions if each["status"] == "True"] == then.get("conditions", [])
    assert "why" not in then or {each["reason"] for each in conditions} == {then["why"]}


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7,8"])
def test_indexes_are_shown_as_they_were_read(text: str) -> None:
    assert show_indexes(parse_indexes(text)) == text


def test_a_pod_of_an_indexed_job_knows_its_index() -> None:
    pod = new_pod(make_job({}), 4)
    assert (pod["metadata"]["generateName"], pod["spec"]["hostname"]) == ("sums-4-", "sums-4")
    assert labels(pod)[INDEX] == pod["metadata"]["annotations"][INDEX] == "4"
    assert pod["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


def test_a_finished_job_lives_as_long_as_it_says() -> None:
    complete = {"type": "Complete", "status": "True", "lastTransitionTime": ago(10)}
    assert seconds_to_live(make_job({"ttlSecondsAfterFinished": 30}, {"conditions": [complete]}), NOW) == 20
    assert seconds_to_live(make_job({}, {"conditions": [complete]}), NOW) is None


def test_a_job_ends_with_its_last_pod_and_takes_its_pods_with_it(in_cluster: Any) -> None:
    async def story(plane: Any) -> None:
        await plane.create(JOBS, make("sums", completions=2))
        done: set[str] = set()
        for number in (1, 2):
            pod = await plane.until(lambda: first_running(plane.items(PODS), done), f"pod {number} to run")
            await plane.client.patch(PODS, name(pod), {"status": {"phase": "Succeeded"}}, "default", "status")
            done.add(name(pod))
        job = await plane.until(lambda: condition(plane.items(JOBS)[0], "Complete") and plane.items(JOBS)[0], "the end")
        assert job["status"]["succeeded"] == 2
        assert not any(pod["metadata"].get("finalizers") for pod in plane.items(PODS))
        await plane.client.delete(JOBS, "sums", "default", propagation="Foreground")
        await plane.until(lambda: not plane.items(JOBS) and not plane.items(PODS), "all to be gone")

    in_cluster(story, JOBS, PODS)


def test_pods_of_a_job_that_is_gone_are_freed_though_they_vanish_meanwhile() -> None:
    class Api:
        """Removes a pod as soon as nothing keeps it, and its watch says so at once."""

        async def patch(self, _resource: Any, name: str, _change: Object, namespace: str, **_: Any) -> Object:
            return pods.items.pop(f"{namespace}/{name}") | {"metadata": {"deletionTimestamp": ago(0)}}

    async def story() -> None:
        await JobController(api, informers).reconcile("default/sums")

    api: Any = Api()
    informers = Informers(api)
    pods = informers.of(PODS)
    for number in range(3):
        pod = new_pod(make_job({}), None)
        pod["metadata"] |= {"name": f"sums-{number}", "uid": str(number)}
        pods.items[f"default/sums-{number}"] = pod
    asyncio.run(story())
    assert pods.items == {}


def make(name: str, **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {**spec, "template": template}}


def first_running(pods: list[Object], done: set[str]) -> Object | None:
    return next((pod for pod in pods if pod["status"]["phase"] == "Running" and name(pod) not in done), None)
