"""How images reach clusters that are not the embedded one: told from their nodes, done with programs on the PATH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stand_ins import Nodes, program

from kubechaos_helpers import Cluster, CourseError
from kubechaos_helpers.course import page
from kubechaos_helpers.images import COMMAND, REGISTRY, NoWay, OtherImages, with_images

FOLDER = Path("/course/images/original")
FILE = FOLDER / "Containerfile"


def node(name: str, provider: str = "", images: tuple[str, ...] = (), **labels: str) -> dict[str, Any]:
    shown = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    status = {"images": [{"names": [f"docker.io/{image}"]} for image in images]}
    return {"metadata": {"name": name, "labels": shown}, "spec": {"providerID": provider}, "status": status}


def images(*nodes: dict[str, Any]) -> OtherImages:
    api: Any = Nodes(*nodes)
    return OtherImages(api, "context class")


BUILD = f"build -t local/kubechaos:v1 -f {FILE} {FOLDER}"
KNOWN = [
    (
        node("m02", minikube_k8s_io__name="lab"),
        [f"minikube -p lab image {BUILD}"],
    ),
    (
        node("class-control-plane", "kind://docker/class/class-control-plane"),
        [f"docker {BUILD}", "kind load docker-image local/kubechaos:v1 --name class"],
    ),
    (
        node("class-control-plane", "kind://podman/class/class-control-plane"),
        [
            f"podman {BUILD}",
            f"podman save -o {FOLDER}/.image.tar local/kubechaos:v1",
            f"kind load image-archive {FOLDER}/.image.tar --name class",
            f"rm {FOLDER}/.image.tar",
        ],
    ),
    (
        node("k3d-two-words-server-0", "k3s://k3d-two-words-server-0"),
        [f"docker {BUILD}", "k3d image import local/kubechaos:v1 -c two-words"],
    ),
    (
        node("k3d-two-words-agent-0", "k3s://k3d-two-words-agent-0"),
        [f"docker {BUILD}", "k3d image import local/kubechaos:v1 -c two-words"],
    ),
    (node("lima-rancher-desktop"), [f"nerdctl --namespace k8s.io {BUILD}"]),
    (node("docker-desktop"), [f"docker {BUILD}"]),
    (node("desktop-control-plane", "kind://docker/desktop/desktop-control-plane"), [f"docker {BUILD}"]),
    (node("colima"), [f"docker {BUILD}"]),
    (node("orbstack"), [f"docker {BUILD}"]),
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REGISTRY, raising=False)
    monkeypatch.delenv(COMMAND, raising=False)


@pytest.mark.parametrize(
    ("first", "commands"), KNOWN, ids=lambda each: each["metadata"]["name"] if "spec" in each else ""
)
def test_the_way_is_told_from_the_first_node(first: dict[str, Any], commands: list[str]) -> None:
    assert [" ".join(words) for words in images(first).commands(FOLDER, "local/kubechaos:v1")] == commands


@pytest.mark.parametrize("nodes", [(), (node("ip-10-0-3-17", "aws:///eu-central-1a/i-0123"),)])
def test_where_none_is_known_the_sentence_says_what_to_set(nodes: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(NoWay) as refusal:
        images(*nodes).commands(FOLDER, "local/kubechaos:v1")
    said = str(refusal.value)
    assert said.startswith("How images reach context class is not known here. Build local/kubechaos:v1 from /course")
    assert "KUBECHAOS_REGISTRY" in said
    assert "KUBECHAOS_IMAGE_COMMAND" in said


def test_a_command_of_ones_own_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "load-image --as {name} '{context}'")
    assert images(node("docker-desktop")).commands(FOLDER, "local/a:v1") == [
        ("load-image", "--as", "local/a:v1", str(FOLDER))
    ]


LOGGED = 'echo "$0" "$@" >> "$LOG"'


def test_with_a_registry_images_are_pushed_and_pods_pull_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "podman", LOGGED)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv(REGISTRY, "ghcr.io/me/")
    there = images(node("ip-10-0-3-17"))
    assert not there.has("local/kubechaos:v1")
    there.build(FOLDER, "local/kubechaos:v1")
    assert there.has("local/kubechaos:v1")
    name = "ghcr.io/me/kubechaos:v1"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{tmp_path}/podman build -t {name} -f {FILE} {FOLDER}",
        f"{tmp_path}/podman push {name}",
    ]
    deployment = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "local/kubechaos:v1"}]}}}}
    placed = with_images(deployment, there.placed)
    assert placed["spec"]["template"]["spec"]["containers"] == [
        {"name": "app", "image": name, "imagePullPolicy": "Always"}
    ]
    assert there.named(name) == "local/kubechaos:v1"
    assert with_images(deployment, images().placed) != deployment
    monkeypatch.delenv(REGISTRY)
    assert with_images(deployment, there.placed) == deployment


def test_an_image_is_there_when_all_nodes_have_it() -> None:
    has, lacks = node("a", images=("local/kubechaos:v1",)), node("b")
    assert images(has).has("local/kubechaos:v1")
    assert not images(has, lacks).has("local/kubechaos:v1")
    lacks["spec"]["unschedulable"] = True
    assert images(has, lacks).has("local/kubechaos:v1")
    assert not images().has("local/kubechaos:v1")


def test_who_may_not_look_at_nodes_is_told_what_to_set() -> None:
    api: Any = Nodes(refuses=True)
    there = OtherImages(api, "context class")
    assert not there.has("local/kubechaos:v1")
    with pytest.raises(NoWay, match="KUBECHAOS_IMAGE_COMMAND"):
        there.commands(FOLDER, "local/kubechaos:v1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("echo Step 1 >&2; echo no space left on device >&2; exit 1", "This failed: docker build -t local/a:v1"),
        ("echo Step 1 >&2; echo no space left on device >&2; exit 1", "\nIt says: no space left on device"),
        (None, "There is no program docker here, which this cluster's images need: docker build -t local/a:v1"),
    ],
)
def test_a_build_that_fails_gets_a_sentence(
    text: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        program(tmp_path, "docker", text)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError) as refusal:
        images(node("docker-desktop")).build(FOLDER, "local/a:v1")
    assert sentence in str(refusal.value)


def test_the_embedded_cluster_shows_its_own_command(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.build_image("original", "local/kubechaos:v1")
    folder = page.shipped("images/original").name
    said = capsys.readouterr().out
    assert said == f"$ pocket-cluster build images/{folder} local/kubechaos:v1\nBuilt local/kubechaos:v1.\n"
