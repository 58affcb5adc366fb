"""Which cluster a notebook is on: the embedded one, or one that was named; never another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubechaos_helpers import Cluster, CourseError, connect


@pytest.fixture
def kubeconfig(embedded: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's own kubeconfig with three contexts, of which the current one answers nobody."""
    config = json.loads((Path(os.environ["POCKET_CLUSTER_HOME"]) / "kubeconfig").read_text())
    nowhere = {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:9"}}
    config["clusters"].append(nowhere)
    config["contexts"] = [
        _context("broken", "nowhere"),
        _context("mini", "pocket"),
        _context("class", "pocket", namespace="default"),
    ]
    config["current-context"] = "broken"
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    return path


def _context(name: str, cluster: str, **more: str) -> dict[str, Any]:
    return {"name": name, "context": {"cluster": cluster, "user": "pocket", **more}}


def test_the_embedded_cluster_is_the_default_and_says_so(
    embedded: Cluster, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = connect()
    assert repr(cluster) == "the pocket cluster, namespace default"
    said = capsys.readouterr().out
    assert said == "Connected to the pocket cluster (Kubernetes v1.36.3+pocket), namespace default.\n"


def test_on_a_named_cluster_the_course_works_in_a_namespace_of_its_own(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = connect("context:mini")
    assert "Connected to context mini at https://127.0.0.1:" in capsys.readouterr().out
    cluster.get("pods")
    assert capsys.readouterr().out == (
        "$ kubectl get pods --context mini -n kubechaos\nNo resources found in kubechaos namespace.\n"
    )


def test_a_context_that_names_a_namespace_is_followed(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECHAOS_CLUSTER", "context:class")
    assert connect().namespace == "default"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("context:nosuch", "Your kubeconfig has no context nosuch; it has: broken, mini, class. Choose one of them."),
        ("kubeconfig", "The cluster at http://127.0.0.1:9 does not answer"),
        ("in-cluster", "The cluster 'in-cluster' cannot be reached"),
        ("minikube", "There is no cluster 'minikube'. Name one as context:NAME, kubeconfig or in-cluster"),
    ],
)
def test_a_cluster_that_cannot_be_reached_gets_a_sentence(kubeconfig: Path, name: str, sentence: str) -> None:
    with pytest.raises(CourseError) as refusal:
        connect(name)
    assert str(refusal.value).startswith(sentence)


def test_a_home_that_cannot_be_made_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("POCKET_CLUSTER_HOME", str(tmp_path / "file" / "cluster"))
    with pytest.raises(CourseError, match="that folder cannot be written"):
        connect()


def test_importing_leaves_what_is_large_for_later() -> None:
    code = "import sys, kubechaos_helpers; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"kubernetes", "matplotlib", "ipywidgets", "pocket_cluster", "IPython"} & set(done.stdout.split())


def test_the_public_names_are_few_and_there() -> None:
    import kubechaos_helpers

    assert len(kubechaos_helpers.__all__) <= 12
    assert all(hasattr(kubechaos_helpers, name) for name in kubechaos_helpers.__all__)
