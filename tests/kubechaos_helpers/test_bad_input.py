"""What a learner reads after a mistake: a sentence with a next step. Nothing is lost, nothing else is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from eventually import eventually_says

from kubechaos_helpers import Cluster, CourseError, connect
from kubechaos_helpers.course import page

LESSON = "manifests/02-two-deployments-one-service"


def dual() -> str:
    return page.shipped(f"{LESSON}/dual.yaml").read_text()


def start(**changes: str) -> str:
    """The lesson's first Deployment with other texts in it."""
    text = page.shipped(f"{LESSON}/start.yaml").read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def is_late(cluster: Cluster, *words: str) -> None:
    """A wait that is over says this, once the pods have come so far."""

    def said() -> str:
        with pytest.raises(CourseError) as refusal:
            cluster.wait_until_ready("kubechaos", timeout=0.5)
        return str(refusal.value)

    eventually_says(said, *words)


PROBE = """\
        readinessProbe:
          httpGet:
            path: /nosuch
            port: 3000
        ports:
"""

UNREADABLE = [
    ("apiVersion: apps/v1\nkind: Deployment\nspec: [\n", "There is a mistake in the YAML in line 4 of this text"),
    ("just: some\nother: thing\n", "is not a Kubernetes object: it has no apiVersion and no kind"),
    ("- a\n- b\n", "is not a Kubernetes object"),
    ("# only a comment\n\n", "There is nothing in this text to apply: it is empty."),
    ("apiVersion: v1\nkind: Service\n", "has no name: give it `metadata:`"),
    (
        "apiVersion: v1\nkind: Servise\nmetadata:\n  name: x\n",
        'The cluster knows no kind "Servise" in version "v1", see line 2 of this text. There is Service in v1.',
    ),
]


@pytest.mark.parametrize(("text", "sentence"), UNREADABLE)
def test_a_manifest_that_cannot_be_read_gets_a_sentence(cluster: Cluster, text: str, sentence: str) -> None:
    with pytest.raises(CourseError) as refusal:
        cluster.apply(text)
    assert sentence in str(refusal.value)


def test_a_manifest_that_is_missing_is_named_with_those_that_are_there(cluster: Cluster) -> None:
    with pytest.raises(CourseError) as refusal:
        cluster.apply(page.shipped(f"{LESSON}/dual.yaml").with_name("dula.yaml"))
    assert "There is no manifest" in str(refusal.value)
    assert "custom-only.yaml, dual.yaml, forgotten.yaml, service-only.yaml, start.yaml" in str(refusal.value)


REFUSED = [
    ("replicas: 1", "replicas: -1", 9, "must be greater than or equal to 0. Write a whole number from 0 up."),
    ("replicas: 1", 'replicas: "three"', 9, "of type int32. Write a whole number there, such as 3, without quotes."),
    ("replicas: 1", "replica: 1", 9, 'unknown field "spec.replica". Check the spelling and the indentation'),
    ("containerPort: 3000", "containerPort: 300000", 24, "must be between 1 and 65535, inclusive. Correct it"),
]


@pytest.mark.parametrize(("old", "new", "line", "sentence"), REFUSED)
def test_a_refused_deployment_does_not_stop_the_others(
    cluster: Cluster, old: str, new: str, line: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CourseError) as refusal:
        cluster.apply(dual().replace(old, new, 1))
    assert str(refusal.value).startswith(f"Deployment kubechaos-original was refused, see line {line} of this text: ")
    assert sentence in str(refusal.value)
    assert capsys.readouterr().out == (
        "$ kubectl apply -f -\ndeployment.apps/kubechaos-custom created\nservice/kubechaos-svc created\n"
    )


@pytest.mark.parametrize(("old", "new", "line", "sentence"), REFUSED)
def test_a_refused_change_is_explained_as_well_and_changes_nothing(
    lesson: Cluster, old: str, new: str, line: int, sentence: str
) -> None:
    before = lesson.read("deployment", "kubechaos-original")["spec"]
    with pytest.raises(CourseError) as refusal:
        lesson.apply(dual().replace(old, new, 1))
    assert sentence in str(refusal.value)
    assert f"see line {line} of this text" in str(refusal.value)
    assert lesson.read("deployment", "kubechaos-original")["spec"] == before


def test_what_stands_before_a_document_that_cannot_be_read_is_applied(cluster: Cluster) -> None:
    with pytest.raises(CourseError) as refusal:
        cluster.apply(dual().replace("kind: Service", "kind: [Service"))
    assert "There is a mistake in the YAML in line 54 of this text" in str(refusal.value)
    assert str(refusal.value).endswith("What stands before it has been dealt with, what follows has not.")
    assert len(cluster.objects("deployments")) == 2


def test_a_selector_that_does_not_match_its_template_says_what_to_change(cluster: Cluster) -> None:
    with pytest.raises(CourseError) as refusal:
        cluster.apply(dual().replace("version: custom", "version: wrong", 1))
    assert "Give spec.selector.matchLabels and spec.template.metadata.labels the same labels." in str(refusal.value)


def test_a_changed_selector_is_refused_and_the_deployment_stays(lesson: Cluster) -> None:
    before = lesson.read("deployment", "kubechaos-custom")["spec"]
    with pytest.raises(CourseError, match="field is immutable"):
        lesson.apply(dual().replace("version: custom", "version: mine"))
    assert lesson.read("deployment", "kubechaos-custom")["spec"] == before


def test_an_image_that_was_not_built_is_named_with_the_way_to_build_it(cluster: Cluster) -> None:
    cluster.apply(start(**{"local/kubechaos:v1": "local/kubechaos:v9"}))
    is_late(cluster, "waits for the image local/kubechaos:v9", 'cluster.build_image(FOLDER, "local/kubechaos:v9")')


def test_a_containerfile_line_that_is_not_supported_is_named(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM python:3.13-slim\nRUN pip install flask\n")
    with pytest.raises(CourseError) as refusal:
        cluster.build_image(tmp_path, "local/mine:v1")
    assert "RUN" in str(refusal.value)
    assert "2" in str(refusal.value)


def test_a_program_that_crashes_is_shown_by_the_last_line_of_its_log(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text('FROM python:3.13-slim\nCOPY app.py .\nCMD ["python", "app.py"]\n')
    (tmp_path / "app.py").write_text("raise SystemExit('the configuration is missing')\n")
    cluster.build_image(tmp_path, "local/crash:v1")
    cluster.apply(start(**{"local/kubechaos:v1": "local/crash:v1", "        ports:\n": PROBE}))
    is_late(cluster, "The last line of its log: the configuration is missing")


def test_a_pod_that_never_becomes_ready_is_explained_by_its_probe(cluster: Cluster) -> None:
    cluster.apply(start(**{"        ports:\n": PROBE}))
    is_late(cluster, "runs, but is not ready: Readiness probe failed: HTTP probe failed with statuscode: 404.")


def test_a_pod_that_ignores_sigterm_is_ended_after_its_grace_period(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text('FROM python:3.13-slim\nCOPY app.py .\nCMD ["python", "app.py"]\n')
    (tmp_path / "app.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    time.sleep(1)\n"
    )
    cluster.build_image(tmp_path, "local/stubborn:v1")
    spec = "      terminationGracePeriodSeconds: 1\n      containers:\n"
    cluster.apply(start(**{"local/kubechaos:v1": "local/stubborn:v1", "      containers:\n": spec}))
    cluster.wait_until_ready("kubechaos")
    cluster.delete("deployment", "kubechaos")
    cluster.wait_until_gone("pods", timeout=25)  # less than the 30 s of a pod that asks for nothing


def test_a_service_without_endpoints_refuses_and_the_probe_says_so(cluster: Cluster) -> None:
    cluster.apply(page.shipped(f"{LESSON}/custom-only.yaml"))
    visits = cluster.probe("kubechaos-custom-svc", requests=3)
    assert visits.errors == {"no answer": 3}
    assert "Nobody answered" in visits.reading()


def test_what_does_not_exist_is_named_with_what_does(lesson: Cluster) -> None:
    for attempt, sentence in (
        (lambda: lesson.delete("deployment", "nosuch"), "there are: kubechaos-custom, kubechaos-original"),
        (lambda: lesson.wait_until_ready("nosuch"), "there are: kubechaos-custom, kubechaos-original"),
        (lambda: lesson.url("nosuch"), "there are: kubechaos-svc, kubernetes"),
        (lambda: lesson.scale("nosuch", 2), "There is no Deployment nosuch in namespace default; there are: kube"),
        (lambda: lesson.scale("kubechaos-custom", -1), "cannot keep -1 pods. Give a whole number from 0 up."),
        (lambda: lesson.scale("kubechaos-custom", "three"), "cannot keep 'three' pods."),  # type: ignore[arg-type]
        (lambda: lesson.get("pods", "nosuch"), "There is no Pod nosuch in namespace default; there are: kubechaos-cus"),
        (lambda: lesson.logs("nosuch"), "There is no Pod nosuch in namespace default"),
        (lambda: lesson.get("pods", output="yaml"), 'get prints tables: output is "" or "wide"'),
        (lambda: lesson.get("nosuchkind"), 'no resource type "nosuchkind"'),
    ):
        with pytest.raises(CourseError) as refusal:
            attempt()
        assert sentence in str(refusal.value)


def test_probe_options_that_make_no_sense_are_refused(lesson: Cluster) -> None:
    for options in ({"visitors": 0}, {"requests": 0}, {"timeout": -1}):
        with pytest.raises(CourseError):
            lesson.probe("kubechaos-svc", **options)  # type: ignore[arg-type]
    with pytest.raises(CourseError, match="is not an address"):
        lesson.probe("ftp://nowhere")


def test_a_cluster_that_was_not_named_well_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CourseError, match="There is no cluster 'minicube'"):
        connect("minicube")


def test_a_course_error_shows_its_sentence_without_a_traceback() -> None:
    assert CourseError("Do this.")._render_traceback_() == ["Do this."]
