"""What a cluster that was named is asked before the course begins there, and the sentence for each no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from kubechaos_helpers import Cluster, CourseError, access, connect
from kubechaos_helpers.course import page

Answer = tuple[int, dict[str, Any]]


class Answers(BaseHTTPRequestHandler):
    """An API server that has what a test puts into ``objects``, and knows who may do what."""

    objects: dict[str, Any]
    may: Callable[[dict[str, Any]], bool]
    posted: list[str]

    def answer(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        self.answer(*(found if isinstance(found, tuple) else (200, found) if found else refused(404, "not found")))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("selfsubjectreviews"):
            self.answer(201, {"status": {"userInfo": {"username": "ada"}}})
        elif self.path.endswith("selfsubjectaccessreviews"):
            self.answer(201, {"status": {"allowed": type(self).may(body["spec"]["resourceAttributes"])}})
        else:
            found = self.objects.get(f"POST {self.path}")
            self.posted.append(self.path)
            self.answer(*(found if isinstance(found, tuple) else (201, body)))

    def log_message(self, *_: object) -> None:
        pass


def refused(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "code": code, "reason": "", "message": message}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answers]]:
    """The API server of context ``class``, where everything is as it should be."""

    namespace = {"metadata": {"name": "kubechaos"}, "status": {"phase": "Active"}}
    objects = {"/version": {"gitVersion": "v1.33.1"}, "/api/v1/nodes": {"items": [node("True")]}}
    objects["/api/v1/namespaces/kubechaos"] = namespace
    own = type("Own", (Answers,), {"objects": objects, "posted": [], "may": staticmethod(lambda _: True)})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), own)
    thread = Thread(target=listener.serve_forever)
    thread.start()
    contexts = [{"name": "class", "context": {"cluster": "c", "user": "u"}}]
    contexts.append({"name": "team", "context": {"cluster": "c", "user": "u", "namespace": "team"}})
    host = f"http://127.0.0.1:{listener.server_port}"
    config = {"apiVersion": "v1", "kind": "Config", "contexts": contexts, "current-context": "class"}
    config |= {"clusters": [{"name": "c", "cluster": {"server": host}}], "users": [{"name": "u", "user": {}}]}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    yield own
    listener.shutdown()
    listener.server_close()
    thread.join()


def node(ready: str, message: str = "kubelet is posting ready status") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "message": message}
    return {"metadata": {"name": f"node-{ready}"}, "spec": {}, "status": {"conditions": [condition]}}


def test_it_says_which_cluster_as_whom_and_that_all_may_be_done(
    server: type[Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    assert connect("context:class").namespace == "kubechaos"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Connected to context class at http://127.0.0.1:")
    assert said[0].endswith("(Kubernetes v1.33.1), namespace kubechaos.")
    assert said[1:] == ["You are ada there, and may do all the course needs."]


def test_what_single_cells_need_and_may_not_be_done_is_said(
    server: type[Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    server.may = staticmethod(lambda asked: asked["resource"] != "*" and asked["subresource"] != "exec")
    connect("context:class")
    assert capsys.readouterr().out.splitlines()[1] == (
        "You are ada there, and may not create pods/exec: the cells that need it say so."
    )


def test_where_the_course_cannot_work_it_does_not_begin(server: type[Answers]) -> None:
    server.may = staticmethod(lambda asked: asked["verb"] in ("get", "list", "watch"))
    with pytest.raises(CourseError) as refusal:
        connect("context:class")
    said = str(refusal.value)
    assert said.startswith(
        "You are ada on context class, and in namespace kubechaos you may not create, update, patch, delete pods;"
        " create, update, patch, delete services; create, update, patch, delete configmaps; create, update, patch,"
        " delete deployments.apps; delete replicasets.apps. Ask its administrator"
    )
    assert server.posted == []


@pytest.mark.parametrize(
    ("path", "answer", "sentence"),
    [
        ("/version", {"gitVersion": "v1.24.6+k3s"}, "context class runs Kubernetes v1.24.6+k3s; the course needs 1.30"),
        ("/version", refused(401, "Unauthorized"), "context class does not take your credentials: they are wrong, or"),
        (
            "/api/v1/namespaces/kubechaos",
            {"metadata": {"name": "kubechaos"}, "status": {"phase": "Terminating"}},
            "Namespace kubechaos of context class is being deleted, and nothing can be made in it. Wait until it is",
        ),
    ],
)
def test_what_is_wrong_with_the_cluster_is_a_sentence(
    path: str, answer: Any, sentence: str, server: type[Answers]
) -> None:
    server.objects[path] = answer
    with pytest.raises(CourseError) as refusal:
        connect("context:class")
    assert str(refusal.value).startswith(sentence)
    assert server.posted == []


def test_a_cluster_that_does_not_answer_is_not_taken_for_the_embedded_one(
    server: type[Answers], tmp_path: Path
) -> None:
    path = tmp_path / "config"
    config = yaml.safe_load(path.read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(CourseError, match=r"does not answer .*\. Is it running.*kubectl --context class cluster-info"):
        connect("context:class")


def test_nodes_that_are_not_ready_are_told_of(server: type[Answers], capsys: pytest.CaptureFixture[str]) -> None:
    silent = {"metadata": {"name": "new"}, "spec": {}, "status": {}}
    server.objects["/api/v1/nodes"] = {"items": [node("True"), node("False", "PLEG is not healthy"), silent]}
    connect("context:class")
    assert capsys.readouterr().out.splitlines()[2:] == [
        "Node node-False is not Ready (PLEG is not healthy): its pods do not serve. See: kubectl describe node",
        "Node new is not Ready (its kubelet has not reported yet): its pods do not serve. See: kubectl describe node",
    ]
    server.objects["/api/v1/nodes"] = {"items": []}
    connect("context:class")
    assert capsys.readouterr().out.splitlines()[2].startswith("The cluster has no node: pods will wait")


def test_a_namespace_is_made_when_it_is_the_courses_or_was_asked_for(server: type[Answers]) -> None:
    del server.objects["/api/v1/namespaces/kubechaos"]
    connect("context:class")
    assert server.posted[0] == "/api/v1/namespaces"
    with pytest.raises(CourseError, match=r"has no namespace team, which its context names\. Make it: kubectl create"):
        connect("context:team")
    assert connect("context:team", namespace="ada").namespace == "ada"


def test_one_that_may_not_be_made_is_asked_for(server: type[Answers]) -> None:
    del server.objects["/api/v1/namespaces/kubechaos"]
    server.objects["POST /api/v1/namespaces"] = refused(403, "forbidden")
    with pytest.raises(CourseError, match=r"You may not make the namespace kubechaos on context class\. Ask for one"):
        connect("context:class")


def test_who_may_not_look_at_namespaces_and_nodes_may_still_work(server: type[Answers]) -> None:
    server.objects["/api/v1/namespaces/kubechaos"] = refused(403, "forbidden")
    server.objects["/api/v1/nodes"] = refused(403, "forbidden")
    connect("context:class")


# --- one learner in one namespace


def test_a_second_learner_is_asked_to_take_another_namespace(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    access.take_place(cluster.api, "default", "context class")
    access.take_place(cluster.api, "default", "context class")  # another notebook of the same learner
    mine = access.me()
    monkeypatch.setattr(access, "me", lambda: "ben@laptop:/home/ben/my")
    with pytest.raises(CourseError) as refusal:
        access.take_place(cluster.api, "default", "context class")
    said = str(refusal.value)
    assert said.startswith(
        f"Another learner, {mine.partition(':')[0]}, has worked in namespace default of context class"
    )
    assert "kubectl delete lease kubechaos-learner -n default" in said
    access.leave_place(cluster.api, "default")  # not his
    assert cluster.read("lease", "kubechaos-learner")["spec"]["holderIdentity"] == mine
    cluster.api.request(
        "PATCH",
        cluster.api.kind("leases").path("default", "kubechaos-learner"),
        None,
        {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}},
        "application/merge-patch+json",
    )
    access.take_place(cluster.api, "default", "context class")
    assert cluster.read("lease", "kubechaos-learner")["spec"]["holderIdentity"] == access.me()
    access.leave_place(cluster.api, "default")
    assert cluster.objects("leases") == []


def test_the_end_frees_the_place_and_removes_the_namespace_that_was_made(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    access.enter_namespace(cluster.api, "kubechaos-ada", "context class", may_make=True)
    there = Cluster(cluster.api, "kubechaos-ada", "context class", cluster._images)
    access.take_place(cluster.api, "kubechaos-ada", "context class")
    page.end(there)
    assert there.objects("leases") == []
    page.end(there, remove_namespace=True)
    assert "Namespace kubechaos-ada is being removed." in capsys.readouterr().out
    there.wait_until_gone("namespaces", selector="kubechaos-course/made-by=connect")


def test_a_namespace_that_somebody_else_made_stays(cluster: Cluster) -> None:
    with pytest.raises(CourseError, match="Namespace default was not made by this course, so it stays"):
        page.end(cluster, remove_namespace=True)
