"""What the exercises of page 01 find in wrong states, and that they pass by any route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import acts
import pytest
from acts import Act, Found, applied, deleted, nothing, patched, steps

from kubechaos_helpers import Cluster, CourseError, page
from kubechaos_helpers.course import application, catch_me_up
from kubechaos_helpers.files import mine, my_folder, shipped
from kubechaos_helpers.manifests import load

LESSON = "manifests/01-your-own-version"
NAME, SERVICE, V2, MISTAKE = "kubechaos", "kubechaos-svc", "local/kubechaos:v2", "local/kubechaos:mistake"
CHILLI, MINE = "This version has extra chilli.", "This version is mine."
BREAK = ('has extra chilli.",', "has extra chilli.,")


def changed(manifest: str, *changes: tuple[str, str]) -> Act:
    return applied(f"{LESSON}/{manifest}", *changes)


def edited(file: str, old: str, new: str) -> Act:
    """Change the learner's file, which is as shipped before."""

    def act(_: Cluster) -> None:
        folder = mine(file.rpartition("/")[0], first="images/custom")
        text = (folder / "surprises.py").read_text()
        assert old in text
        (folder / "surprises.py").write_text(text.replace(old, new))

    return act


def built(context: str, name: str) -> Act:
    return lambda cluster: cluster.build_image(mine(context, first="images/custom"), name)


ready = acts.ready(NAME, pods=1)


def restarted(cluster: Cluster) -> None:
    cluster.restart(NAME)
    ready(cluster)


def failing(cluster: Cluster) -> None:
    page.show_failing_log(cluster, "app=kubechaos")


def no_pods(cluster: Cluster) -> None:
    cluster.scale(NAME, 0)
    cluster.wait_until_gone("pods", selector="app=kubechaos")


TEXTS = changed("texts.yaml", ("Kubechaos for everyone", "Mine"), ("These words come", "My words come"))
OLD_MESSAGE = changed("texts.yaml", ("Kubechaos for everyone", "Mine"))
OLD_TITLE = changed("texts.yaml", ("These words come", "My words come"))
NO_MESSAGE = changed("texts.yaml", ("message:", "massage:"), ("Kubechaos for everyone", "Mine"))
NOT_MOUNTED = changed("first.yaml", ("/etc/kubechaos", "/etc/chaos"), ("everyone", "me"), ("These", "My"))
V9 = changed("own.yaml", (":v2", ":v9"))
OWN, TO_MISTAKE = changed("own.yaml"), changed("own.yaml", (V2, MISTAKE))
MY_SURPRISE = edited("images/custom/", CHILLI, MINE)
TWICE = edited("images/custom/", '"v2"', '"v2, built twice"')
BUILD_OWN, BUILD_MISTAKE = built("images/custom", V2), built("images/mistake", MISTAKE)
BROKEN = steps(edited("images/mistake/", *BREAK), BUILD_MISTAKE)
MENDED = edited("images/mistake/", *reversed(BREAK))

WRONG = {
    "01.texts": [
        ("", nothing, "There is no Deployment kubechaos; there are: none."),
        ("01.3", nothing, "is still 'Kubechaos for everyone'. Change it in your texts.yaml"),
        ("01.3", OLD_MESSAGE, "The message in ConfigMap kubechaos-texts is still 'These words"),
        ("01.3", OLD_TITLE, "The title in ConfigMap kubechaos-texts is still"),
        ("01.3", TEXTS, "still says 'These words come from a ConfigMap.': its pod read the message when it started."),
        ("01.3", NO_MESSAGE, "has no message; it has: title, massage."),
        ("01.3", deleted("configmap", "kubechaos-texts"), "has no title; it has: nothing."),
        ("01.3", steps(NOT_MOUNTED, restarted), "The page has the title 'Kubechaos'. A mounted file follows"),
        ("01.3", deleted("service", SERVICE), "There is no Service kubechaos-svc"),
        ("01.3", no_pods, "is to keep 0 pods."),
    ],
    "01.own-version": [
        ("", nothing, "There is no Deployment kubechaos"),
        ("01.4", nothing, "has only the course's surprises."),
        ("01.4", MY_SURPRISE, "runs local/kubechaos:v1. Let it run local/kubechaos:v2"),
        ("01.4", edited("images/custom/", *BREAK), "Line 14 of custom/surprises.py is not Python"),
        ("01.4", steps(MY_SURPRISE, V9), "runs local/kubechaos:v9. Let it run local/kubechaos:v2"),
        ("01.4", steps(MY_SURPRISE, OWN, ready), "160 pages had none of your surprises"),
        ("01.4", steps(OWN, ready, MY_SURPRISE, BUILD_OWN), "was built again after the pod started"),
    ],
    "01.second-build": [
        ("", nothing, "There is no Deployment kubechaos"),
        ("01.5", nothing, "is 'v2'. Run the cell that builds twice first."),
        ("01.5", TWICE, "The page says 'v2', and your file 'v2, built twice'"),
        ("01.5", steps(TWICE, BUILD_OWN), "The page says 'v2', and your file 'v2, built twice'"),
        ("01.5", steps(TWICE, BUILD_OWN, changed("first.yaml"), ready), "runs local/kubechaos:v1."),
        ("01.5", steps(TWICE, BUILD_OWN, no_pods), "is to keep 0 pods."),
    ],
    "01.mistake": [
        ("", nothing, "There is no Deployment kubechaos"),
        ("01.6", nothing, "runs local/kubechaos:v2. The exercise is to have local/kubechaos:mistake run"),
        ("01.6", steps(BROKEN, TO_MISTAKE, failing), "Line 14 of mistake/surprises.py is not Python"),
        ("01.6", steps(BROKEN, TO_MISTAKE, failing, MENDED), "local/kubechaos:mistake may not have it yet."),
        ("01.6", steps(BROKEN, TO_MISTAKE, failing, OWN), "runs local/kubechaos:v2."),
        ("01.6", steps(BROKEN, no_pods), "is to keep 0 pods."),
    ],
}
RIGHT = [
    ("01.texts", "01.3", steps(TEXTS, restarted), "by a restart"),
    ("01.texts", "01.3", steps(TEXTS, lambda cluster: kill(cluster), ready), "by killing the pod"),
    ("01.own-version", "01.4", steps(MY_SURPRISE, BUILD_OWN, OWN, ready), "by the manifest"),
    ("01.own-version", "01.4", steps(MY_SURPRISE, OWN, ready, BUILD_OWN, restarted), "by building late, and a restart"),
    ("01.second-build", "01.5", steps(TWICE, BUILD_OWN, restarted), "by a restart"),
    ("01.second-build", "01.5", steps(TWICE, BUILD_OWN, lambda cluster: kill(cluster), ready), "by killing the pod"),
    ("01.mistake", "01.6", steps(BROKEN, TO_MISTAKE, failing, MENDED, BUILD_MISTAKE, restarted), "by a restart"),
    ("01.mistake", "01.6", steps(BROKEN, MENDED, BUILD_MISTAKE, TO_MISTAKE, ready), "by mending first"),
]


def kill(cluster: Cluster) -> None:
    pod = cluster.objects("pods", "app=kubechaos")[0]
    cluster.delete("pod", pod["metadata"]["name"])
    page.show_successor(cluster, "pod", pod, "app=kubechaos")
    cluster.wait_until_served_by(SERVICE, 1)


@pytest.fixture(autouse=True)
def own_files(embedded: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test has files as the course ships them, and images made from them."""
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    embedded.build_image("custom", V2)
    yield
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "unchanged"))
    embedded.build_image("custom", V2)


@pytest.mark.parametrize(
    ("identity", "section", "act", "sentence"), [(identity, *each) for identity in WRONG for each in WRONG[identity]]
)
def test_a_wrong_state_is_named(found: Found, identity: str, section: str, act: Act, sentence: str) -> None:
    assert sentence in found(identity, section, act)


@pytest.mark.parametrize(("identity", "section", "act", "route"), RIGHT)
def test_a_right_state_passes(found: Found, identity: str, section: str, act: Act, route: str) -> None:
    assert found(identity, section, act) == "", route


def test_the_first_state_is_what_the_learners_files_describe() -> None:
    own = [*load(shipped(f"{LESSON}/texts.yaml")), *load(shipped(f"{LESSON}/kubechaos.yaml"))]
    assert load(shipped(f"{LESSON}/first.yaml")) == own


def test_catching_up_replaces_a_pod_whose_image_was_built_again(embedded: Cluster) -> None:
    catch_me_up("01.5")
    steps(TWICE, BUILD_OWN)(embedded)
    assert application.see(embedded, SERVICE).tag == "v2"
    catch_me_up("01.5")
    assert application.see(embedded, SERVICE).tag == "v2, built twice"


def test_a_page_is_waited_for_while_its_program_starts(embedded: Cluster) -> None:
    catch_me_up("01.3")
    slow = {"name": "app", "readinessProbe": None, "env": [{"name": "KUBECHAOS_START_DELAY", "value": "1.5"}]}
    change = {"strategy": {"type": "Recreate", "rollingUpdate": None}, "template": {"spec": {"containers": [slow]}}}
    patched("deployments", "kubechaos", {"spec": change})(embedded)
    embedded.wait_until_ready("kubechaos")
    embedded.wait_until_served_by(SERVICE, 1)
    assert application.see(embedded, SERVICE).version


def test_words_are_replaced_once_and_what_was_changed_by_hand_is_said(embedded: Cluster) -> None:
    file = mine("images/custom") / "surprises.py"
    for _ in range(2):
        page.replace_in(file, 'TITLE = "', 'TITLE = "My ')
    assert 'TITLE = "My Kubechaos' in file.read_text()
    page.replace_in(file, 'TITLE = "My ', 'TITLE = "')
    assert 'TITLE = "Kubechaos' in file.read_text()
    with pytest.raises(CourseError, match=r"does not have 'no such words': it was changed\."):
        page.replace_in(file, "no such words", "others")


def test_what_answers_is_told_from_the_sample_application(embedded: Cluster) -> None:
    catch_me_up("01.3")
    no_pods(embedded)
    with pytest.raises(CourseError, match="Nobody answers behind kubechaos-svc"):
        page.show_page(embedded, SERVICE)


def test_settings_that_are_computed_are_unknown_and_no_error() -> None:
    file = mine("images/custom") / "surprises.py"
    file.write_text('TITLE = "A" + input()\nSURPRISES = ["one", "two"]\n')
    assert application.settings(file.parent) == {"TITLE": None, "SURPRISES": ["one", "two"]}
    assert application.own_surprises(application.surprises_in(my_folder() / "images/custom")) == {"one", "two"}
