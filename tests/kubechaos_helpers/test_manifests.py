from pathlib import Path

import pytest

from kubechaos_helpers import CourseError
from kubechaos_helpers.manifests import load, read, short

NAMED = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"


def sentence(source: Path | str) -> str:
    with pytest.raises(CourseError) as caught:
        load(source)
    return str(caught.value)


def test_a_missing_manifest_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "dual.yaml").write_text(NAMED)
    assert sentence(tmp_path / "duel.yaml") == (
        f"There is no manifest {tmp_path}/duel.yaml. In {tmp_path} there are: dual.yaml. Check the name and try again."
    )


def test_a_folder_and_a_picture_are_no_manifests(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    assert sentence(tmp_path) == f"{tmp_path} cannot be read: Is a directory. Check the name."
    assert sentence(tmp_path / "picture.png").endswith("picture.png is not text, so it is no manifest. Check the name.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n", "There is nothing in this text to apply: it is empty."),
        (
            "kind: Service\n",
            "What begins in line 1 of this text is not a Kubernetes object: it has no apiVersion. A Deployment begins"
            " with the lines `apiVersion: apps/v1` and `kind: Deployment`.",
        ),
        (
            "- one\n- two\n",
            "What begins in line 1 of this text is not a Kubernetes object: it has no apiVersion and no kind. A"
            " Deployment begins with the lines `apiVersion: apps/v1` and `kind: Deployment`.",
        ),
        (
            "\napiVersion: v1\nkind: Service\nmetadata:\nname: x\n",
            "The Service that begins in line 2 of this text has no name: give it `metadata:` and, indented below that,"
            " `name:` with a text.",
        ),
        (
            "apiVersion: v1\nkind: [\n",
            "There is a mistake in the YAML in line 3 of this text: expected the node content, but found '<stream"
            " end>'. Look at that line and the one above it: at the indentation, the colons, and at brackets and quotes"
            " that are not closed.",
        ),
    ],
)
def test_what_is_wrong_with_a_manifest_is_one_sentence(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_a_manifest_is_read_up_to_its_first_mistake() -> None:
    manifest = read(NAMED.format(name="one") + "---\n" + NAMED.format(name="[") + "---\n" + NAMED.format(name="two"))
    assert [entry.name for entry in manifest.entries] == ["one"]
    assert "line 10 of this text" in manifest.trouble


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/home/me/course/manifests/02/dual.yaml", "manifests/02/dual.yaml"),
        ("/home/me/course/my/manifests/02/kubechaos.yaml", "my/manifests/02/kubechaos.yaml"),
        ("/home/me/other/kubechaos.yaml", "/home/me/other/kubechaos.yaml"),
    ],
)
def test_paths_are_shown_as_typed_in_the_courses_folder(path: str, typed: str) -> None:
    assert short(path) == typed


def test_a_course_error_is_shown_without_a_traceback() -> None:
    assert CourseError("A sentence.")._render_traceback_() == ["A sentence."]
