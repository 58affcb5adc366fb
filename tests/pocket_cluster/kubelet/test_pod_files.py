"""A container's absolute paths lead into its own root, for Python's file calls and for commands."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pocket_cluster.kubelet.images import build_image
from pocket_cluster.kubelet.pod_files import PodFiles

if TYPE_CHECKING:
    from conftest import Runtime


APP = """
import glob, os, pathlib, shutil, sys, tempfile
import helper
print(open("/src/data/a.txt").read(), pathlib.Path("/src/data/a.txt").read_text(), helper.NAME)
print(os.listdir("/src/data"), glob.glob("/src/data/*.txt"), os.path.exists("/src/nosuch"))
os.makedirs("/src/made/deep"); os.rename("/src/made/deep", "/src/made/deeper"); print(os.listdir("/src/made"))
shutil.copy("/src/data/a.txt", "/tmp/b.txt"); print(open("/tmp/b.txt").read())
with tempfile.NamedTemporaryFile() as file: print(file.name.startswith("/tmp/"))
print(open("/dev/null").read() == "", sys.argv)
"""


@pytest.fixture(scope="module")
def image(runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("files")
    (context / "data").mkdir()
    (context / "data" / "a.txt").write_text("A")
    (context / "app.py").write_text(APP)
    (context / "helper.py").write_text("NAME = 'helped'\n")
    (context / "Containerfile").write_text("FROM python:3\nWORKDIR /src\nCOPY . .\nCMD python /src/app.py\n")
    build_image(runtime.home, context, "local/files")
    return "local/files"


@pytest.mark.parametrize(
    "argv",
    [["python", "/src/app.py"], ["python", "app.py"], ["python", "-O", "/src/app.py"], []],
    ids=["absolute", "relative", "cold", "through a shell"],
)
def test_a_program_finds_its_files_by_the_paths_of_its_container(runtime: Runtime, image: str, argv: list[str]) -> None:
    lines = runtime.output_of(argv, image=image).splitlines()
    assert lines[:5] == ["A A helped", "['a.txt'] ['/src/data/a.txt'] False", "['deeper']", "A", "True"]
    assert lines[5].startswith("True [")


def test_two_containers_of_an_image_do_not_see_each_others_files(runtime: Runtime, image: str) -> None:
    name = f"written-in-a-pod-{uuid.uuid4()}"  # the machine's own /tmp has no such file
    write = ["python", "-c", f"open('/src/data/{name}', 'w'); open('/tmp/{name}', 'w')"]
    read = ["python", "-c", "import os; print(os.listdir('/src/data'), os.listdir('/tmp'))"]
    runtime.output_of(write, image=image)
    assert runtime.output_of(read, image=image) == "['a.txt'] []\n"
    assert not Path("/tmp", name).exists()


def test_a_shell_finds_mounted_files(runtime: Runtime, image: str, tmp_path: Path) -> None:
    (tmp_path / "colour").write_text("teal")
    command = ["sh", "-c", "cat /etc/config/colour && ls /src/data > /tmp/list && cat /tmp/list; cat $FILE"]
    options = {"mounts": {"/etc/config": tmp_path}, "environment": {"FILE": "/etc/config/colour"}}
    assert runtime.output_of(command, image=image, **options) == "teala.txt\nteal"
    python = ["python", "-c", "import os; print(open('/etc/config/colour').read(), os.environ['FILE'])"]
    assert runtime.output_of(python, image=image, **options) == "teal /etc/config/colour\n"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/src", "/root-of-pod/src"),
        ("/src/a", "/root-of-pod/src/a"),
        ("/srcs/a", "/srcs/a"),
        ("/etc/hosts", "/etc/hosts"),
        ("src/a", "src/a"),
        ("/root-of-pod/src/a", "/root-of-pod/src/a"),
        (b"/src/a", b"/root-of-pod/src/a"),
        (Path("/src/a"), "/root-of-pod/src/a"),
        (3, 3),
    ],
)
def test_only_the_containers_own_paths_are_translated(path: object, place: object) -> None:
    assert PodFiles("/root-of-pod", ["/src"]).on_machine(path) == place


def test_paths_in_a_command_line_are_found_and_look_alikes_are_not() -> None:
    files = PodFiles("/R", ["/src", "/etc/config"])
    text = "cat /src/a '/etc/config' --file=/src/b /usr/src x/src /etc/configs /src"
    assert files.in_text(text) == "cat /R/src/a '/R/etc/config' --file=/R/src/b /usr/src x/src /etc/configs /R/src"
