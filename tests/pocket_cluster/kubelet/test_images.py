"""Images are built from folders, found by name as Docker names them, and a mistake is answered with a sentence."""

import os
from pathlib import Path

import pytest

from pocket_cluster.home import Home
from pocket_cluster.kubelet.images import (
    ImageError,
    InvalidImageName,
    build_image,
    familiar,
    find_image,
    list_images,
    normalise,
)

CONTAINERFILE = 'FROM python:3.13-slim\nWORKDIR /src\nCOPY app.py .\nCOPY static/ static/\nCMD ["python", "app.py"]\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "static").mkdir(parents=True)
    (folder / "app.py").write_text("print('hello')\n")
    (folder / "static" / "style.css").write_text("body {}\n")
    (folder / "Containerfile").write_text(CONTAINERFILE)
    return folder


def test_an_image_has_the_files_where_the_containerfile_puts_them(home: Home, context: Path) -> None:
    digest = build_image(home, context, "local/kubechaos:v1")
    image = find_image(home.images_dir, "docker.io/local/kubechaos:v1")
    assert image is not None
    assert image.digest == digest
    assert (image.root / "src/app.py").read_text() == "print('hello')\n"
    assert (image.root / "src/static/style.css").exists()
    assert image.owned == ["/src", "/src/static"]
    assert (image.working_directory, image.command) == ("/src", ["python", "app.py"])


def test_the_same_content_has_the_same_digest_and_a_change_another(home: Home, context: Path) -> None:
    first = build_image(home, context, "local/kubechaos:v1")
    assert build_image(home, context, "local/kubechaos:v2") == first
    (context / "app.py").write_text("print('changed')\n")
    assert build_image(home, context, "local/kubechaos:v2") != first
    assert [image.name for image in list_images(home)] == ["local/kubechaos:v1", "local/kubechaos:v2"]
    assert list_images(home)[0].digest == first


def test_a_failed_build_leaves_the_image_as_it_was_and_nothing_behind(home: Home, context: Path) -> None:
    digest = build_image(home, context, "local/kubechaos:v1")
    (context / "Containerfile").write_text(CONTAINERFILE + "RUN make\n")
    with pytest.raises(ImageError):
        build_image(home, context, "local/kubechaos:v1")
    assert list_images(home)[0].digest == digest
    assert not list(home.images_dir.glob(".building-*"))


def test_a_python_file_with_a_mistake_in_it_is_built_all_the_same(home: Home, context: Path) -> None:
    (context / "app.py").write_text("def broken(:\n")
    assert build_image(home, context, "local/kubechaos:v1")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("COPY nosuch.py .", "line 6: COPY nosuch.py: there is no such file in "),
        ("COPY ../secret .", "line 6: COPY ../secret leads out of the build context"),
        ("COPY *.txt .", "there is no such file"),
        ("COPY link .", "is a link that leads out of"),
        ("RUN pip install flask", "line 6: RUN is not supported"),
    ],
)
def test_a_line_that_cannot_be_built_is_named(home: Home, context: Path, line: str, sentence: str) -> None:
    (context / "link").symlink_to("/etc/hostname")
    (context / "Containerfile").write_text(CONTAINERFILE + line + "\n")
    with pytest.raises(ImageError) as error:
        build_image(home, context, "local/kubechaos:v1")
    assert str(error.value).startswith(str(context / "Containerfile"))
    assert sentence in str(error.value)


def test_a_context_that_is_none_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"does not exist. Name the folder that has the Containerfile"):
        build_image(home, tmp_path / "nosuch", "local/kubechaos:v1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match=r"There is no Containerfile in .*empty"):
        build_image(home, tmp_path / "empty", "local/kubechaos:v1")


def test_a_bad_name_is_refused(home: Home, context: Path) -> None:
    with pytest.raises(ImageError, match=r"must be lowercase. Write a name such as local/kubechaos:v2"):
        build_image(home, context, "local/KubeChaos:v1")


NAMES = {
    "kubechaos": "docker.io/library/kubechaos:latest",
    "local/kubechaos:v1": "docker.io/local/kubechaos:v1",
    "localhost:5000/a/b": "localhost:5000/a/b:latest",
    "ghcr.io/a/b:c": "ghcr.io/a/b:c",
    "docker.io/local/kubechaos:v1": "docker.io/local/kubechaos:v1",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_completed_as_docker_completes_them(name: str) -> None:
    assert normalise(name) == NAMES[name]
    assert normalise(familiar(NAMES[name])) == NAMES[name]


@pytest.mark.parametrize("name", ["", "a b", "a//b", "a:b:c", "-a", "UPPER/case"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidImageName):
        normalise(name)


def test_links_of_a_folder_stay_links_and_no_copy_goes_through_them(home: Home, context: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "app.py").write_text("words")
    (context / "first" / "d").mkdir(parents=True)
    (context / "first" / "d" / "out").symlink_to(thesis)
    (context / "first" / "d" / "page").symlink_to("../../thesis/app.py")
    (context / "first" / "d" / "loop").symlink_to("..")
    (context / "second" / "d" / "out").mkdir(parents=True)
    (context / "second" / "d" / "out" / "app.py").write_text("print('mine')")
    (context / "second" / "d" / "page").write_text("a page")
    lines = ("FROM python:3", "COPY first /srv", "COPY second /srv", "COPY app.py /srv/d/out/", 'CMD ["python"]')
    (context / "Containerfile").write_text("\n".join(lines))
    build_image(home, context, "local/links:v1")
    image = find_image(home.images_dir, "local/links:v1")
    assert image
    assert (image.root / "srv/d/loop").readlink() == Path("..")
    assert (image.root / "srv/d/out").is_symlink()
    assert (image.root / "srv/d/page").read_text() == "a page"
    assert (image.root / str(thesis).lstrip("/") / "app.py").read_text() == "print('hello')\n"
    assert sorted(path.name for path in thesis.iterdir()) == ["app.py"]
    assert (thesis / "app.py").read_text() == "words"


def test_what_is_no_file_is_named(home: Home, context: Path) -> None:
    os.mkfifo(context / "static" / "pipe")
    with pytest.raises(ImageError, match=r"static/pipe is neither a file nor a folder nor a link\."):
        build_image(home, context, "local/pipe:v1")
