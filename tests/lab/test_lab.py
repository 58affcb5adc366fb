"""``python3 lab.py`` installs once, repairs what was left half done, and says in a sentence what it cannot do."""

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from eventually import DEADLINE_SECONDS

LAB = Path(__file__).parents[2] / "lab.py"


def make_course(folder: Path) -> Path:
    """A course that needs nothing."""
    folder.mkdir()
    shutil.copy(LAB, folder)
    (folder / "requirements.txt").write_text("# nothing\n")
    (folder / "pyproject.toml").write_text("")
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course that is not installed, and no settings of pip's but those that a test makes."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    return make_course(tmp_path / "a course")


@pytest.fixture
def lab(course: Path) -> ModuleType:
    return load(course)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The lab.py of a course that is installed, shared by tests that leave it so."""
    lab = load(make_course(tmp_path_factory.mktemp("installed") / "a course"))
    lab.install("course")
    return lab


def load(course: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("lab", course / "lab.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_lab(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run lab.py as a program, after some lines that change what it finds."""
    argv = ["lab.py", *arguments]
    program = f"import runpy, sys, os\n{code}\nsys.argv = {argv}\nrunpy.run_path({str(LAB)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.walk(ast.parse(LAB.read_text()))
    imports = [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        name
        for node in imports
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("version", ["(3, 10, 12)", "(3, 15, 0)"])
def test_another_python_is_refused_in_a_sentence(version: str) -> None:
    done = run_lab(f"sys.version_info = {version}")
    assert done.returncode == 1
    assert done.stderr.startswith("The course needs Python 3.11, 3.12, 3.13 or 3.14, and ")
    assert done.stderr.endswith("Install one of them, then name it: python3.13 lab.py\n")
    assert "Traceback" not in done.stderr


def test_windows_is_sent_to_wsl() -> None:
    done = run_lab("os.name = 'nt'")
    assert done.returncode == 1
    assert "run this in WSL" in done.stderr


def test_an_older_python_can_read_the_file_as_far_as_the_sentence() -> None:
    ast.parse(LAB.read_text(), feature_version=(3, 7))


def test_help_names_every_command_and_an_unknown_one_gets_the_same() -> None:
    done = run_lab("", "help")
    for command in ("test", "lint", "clean", "link", "wheelhouse FOLDER", "help"):
        assert f"python3 lab.py {command}" in done.stdout
    wrong = run_lab("", "tset")
    assert wrong.returncode == 2
    assert "There is no command 'tset'." in wrong.stderr
    assert done.stdout.strip() in wrong.stderr


def test_the_second_time_nothing_is_installed(installed: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    installed.install("course")
    assert capsys.readouterr().out == ""
    assert not installed.is_installed("test")


def test_a_half_finished_environment_is_made_again(lab: ModuleType) -> None:
    lab.VENV.mkdir()
    (lab.VENV / "half").touch()
    lab.install("course")
    assert not (lab.VENV / "half").exists()
    assert lab.is_installed("course")


def test_an_environment_whose_python_has_gone_is_made_again(lab: ModuleType) -> None:
    lab.install("course")
    lab.PYTHON.unlink()
    assert not lab.is_installed("course")
    lab.install("course")
    assert lab.works(lab.PYTHON)


def test_new_requirements_and_a_moved_folder_are_noticed(installed: ModuleType) -> None:
    course: Path = installed.ROOT
    (course / "requirements.txt").write_text("# something new\n")
    assert not installed.is_installed("course")
    (course / "requirements.txt").write_text("# nothing\n")
    assert installed.is_installed("course")
    moved = course.rename(course.parent / "elsewhere")
    assert not load(moved).is_installed("course")
    moved.rename(course)


def test_what_pip_says_is_shown_when_it_fails(
    lab: ModuleType, course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (course / "requirements.txt").write_text("no-such-package-for-the-course\n")
    monkeypatch.setitem(lab.ENVIRONMENT, "PIP_NO_INDEX", "1")
    with pytest.raises(lab.Trouble, match=r"pip could not install the course. Is this machine online\?"):
        lab.install("course")
    assert "ERROR: No matching distribution found for no-such-package-for-the-course" in capsys.readouterr().out
    assert not lab.is_installed("course")


def test_a_full_disk_is_named(lab: ModuleType, course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = course / "pip"
    pip.write_text("#!/bin/sh\necho 'ERROR: Could not install packages: [Errno 28] No space left on device'\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr(lab, "PYTHON", pip)
    with pytest.raises(lab.Trouble, match=r"The disk is full, and the course needs 1 GB\."):
        lab.pip_install("a")


def test_clean_removes_what_was_installed_and_keeps_the_learners_work(lab: ModuleType, course: Path) -> None:
    for name in (".venv/bin", "my", "build", "kubechaos_course.egg-info"):
        (course / name).mkdir(parents=True)
    assert lab.main(["clean"]) == 0
    assert {path.name for path in course.iterdir() if path.is_dir()} - {"__pycache__"} == {"my"}


# --- on Binder


@pytest.fixture
def published(lab: ModuleType) -> ModuleType:
    """A course with pages and a git repository."""
    for name in ("00-start here.ipynb", "01-next.ipynb"):
        (lab.ROOT / "notebooks").mkdir(exist_ok=True)
        (lab.ROOT / "notebooks" / name).touch()
    subprocess.run(["git", "init", "--quiet"], cwd=lab.ROOT, check=True)
    return lab


LINK = "https://mybinder.org/v2/gh/some-one/a.course/HEAD?urlpath=lab/tree/my/00-start%20here.ipynb\n"


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/some-one/a.course",
        "https://github.com/some-one/a.course.git",
        "https://name:secret@github.com/some-one/a.course/",
        "git@github.com:some-one/a.course.git",
        "ssh://git@github.com:22/some-one/a.course.git",
    ],
)
def test_the_link_opens_the_first_page_from_where_git_says_that_the_course_is(
    published: ModuleType, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "remote", "add", "origin", address], cwd=published.ROOT, check=True)
    assert published.main(["link"]) == 0
    assert capsys.readouterr().out == LINK


@pytest.mark.parametrize("address", ["", "https://example.org/github.com/some-one/course", "/somewhere/github.com"])
def test_the_link_asks_when_git_does_not_know(
    published: ModuleType, address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if address:
        subprocess.run(["git", "remote", "add", "origin", address], cwd=published.ROOT, check=True)
    assert published.main(["link"]) == 1
    assert "Name the repository: python3 lab.py link OWNER/REPOSITORY" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: " some-one/a.course ")
    assert published.main(["link"]) == 0
    assert capsys.readouterr().out == LINK


def test_a_repository_that_is_named_goes_before_git_and_must_be_one(
    published: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert published.main(["link", "some-one/a.course"]) == 0
    assert capsys.readouterr().out == LINK
    assert published.main(["link", "a.course"]) == 1
    assert "a.course is no repository on GitHub." in capsys.readouterr().err


# --- without a network (all of it: .ci/wheelhouse)


def test_a_wheelhouse_has_what_everybody_installs_and_what_builds_it() -> None:
    requirements = {line for line in (LAB.parent / "requirements.txt").read_text().splitlines() if line[0] not in "#-"}
    needs = set(load(LAB.parent).needs())
    assert requirements < needs
    assert {"pip", "setuptools>=77"} < needs


def test_a_wheelhouse_wants_a_folder(lab: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.main(["wheelhouse"]) == 1
    assert capsys.readouterr().err == "Name the folder: python3 lab.py wheelhouse FOLDER\n"


def test_an_environment_without_ensurepip_gets_pip_from_a_folder_of_wheels(
    lab: ModuleType, pip_wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = Path(shutil.copytree(pip_wheels, tmp_path / "a wheelhouse"))
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    lab.works(sys.executable, "-m", "venv", "--without-pip", lab.VENV)
    monkeypatch.setattr(lab, "pip_of_the_system", lambda: False)
    monkeypatch.setattr(lab, "pip_of_the_index", lambda: False)
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    lab.make_environment()
    assert lab.works(lab.PYTHON, "-m", "pip", "--version")


# --- a Python without ensurepip


class Index:
    """A package index (PEP 503) in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pip"
        self.folder.mkdir()
        self.links: list[str] = []
        serve = partial(Quiet, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), serve)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, name: str, content: bytes, published: bytes | None = None) -> None:
        (self.folder / name).write_bytes(content)
        sha256 = hashlib.sha256(content if published is None else published).hexdigest()
        self.links.append(f'<a href="../pip/{name}#sha256={sha256}" data-requires-python="&gt;=3.9">{name}</a>')
        (self.folder / "index.html").write_text("<!DOCTYPE html>" + "<br>".join(self.links))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    index = Index(tmp_path / "index")
    threading.Thread(target=index.server.serve_forever, daemon=True).start()
    yield index
    index.server.shutdown()
    index.server.server_close()


def test_the_newest_final_pip_is_taken_from_the_index_that_pip_is_set_up_for(
    lab: ModuleType, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.0", "26.1", "26.0.9", "27.0b1"):
        index.add(f"pip-{version}-py3-none-any.whl", version.encode())
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = {index.address}\ntrusted-host = %(nothing)s\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert lab.download_pip(tmp_path).read_bytes() == b"26.1"
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    with pytest.raises(OSError, match="refused"):
        lab.download_pip(tmp_path)


def test_a_pip_that_is_not_what_the_index_says_is_not_used(
    lab: ModuleType, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("pip-26.1-py3-none-any.whl", b"something else", published=b"pip")
    monkeypatch.setenv("PIP_INDEX_URL", index.address)
    with pytest.raises(ValueError, match=r"pip-26\.1-py3-none-any\.whl is not what http://.* says it is"):
        lab.download_pip(tmp_path)


def test_without_any_pip_one_command_is_named_that_mends_it(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    monkeypatch.setattr(lab, "pip_of_the_system", lambda: False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    assert lab.main(["lint"]) == 1
    *reasons, command = capsys.readouterr().err.splitlines()
    assert reasons == ["This Python has no pip, and none could be downloaded. Install it, then try again:"]
    assert "apt install python3-venv" in command or "ensurepip" in command


def test_an_environment_without_ensurepip_gets_pip_from_another_python(
    lab: ModuleType, pip_wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here this Python's own pip; offline, so that what is tried is seen: pip starts and looks for itself."""
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": pip_wheels.as_uri()}
    monkeypatch.setattr(lab, "ENVIRONMENT", {**lab.ENVIRONMENT, **offline})
    lab.make_environment()
    assert lab.works(lab.PYTHON, "-m", "pip", "--version")


@pytest.fixture(scope="module")
def pip_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of the pip that this environment has: not every Python has one to lend."""
    folder = tmp_path_factory.mktemp("wheels")
    distribution = importlib.metadata.distribution("pip")
    assert distribution.files
    with zipfile.ZipFile(folder / f"pip-{distribution.version}-py3-none-any.whl", "w") as wheel:
        for file in distribution.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                wheel.writestr(file.as_posix(), file.read_binary())
    return folder


def test_an_installed_course_says_what_to_do_when_it_cannot_be_opened(
    installed: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.main([]) == 1
    said = capsys.readouterr().err
    assert said.endswith("The course could not be opened. To install it afresh: python3 lab.py clean\n")
