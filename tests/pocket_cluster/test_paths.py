"""A path that somebody else wrote never leads out of its folder, and every join in the code is one that is known."""

from __future__ import annotations

import ast
import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocket_cluster.paths import inside, resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with links of every kind, and a volume beside it."""
    root = tmp_path / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "out").symlink_to("../../outside")
    (root / "absolute").symlink_to("/usr")
    (root / "usr" / "up").symlink_to("../../..")
    (root / "loop").symlink_to("loop")
    (root / "data").mkdir()
    (tmp_path / "volume").mkdir()
    (tmp_path / "outside").mkdir()
    return root


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", "/"),
        ("", "/"),
        ("a/b", "/a/b"),
        ("//a/./b//", "/a/b"),
        ("/../../../x", "/x"),
        ("/data/../../x/./y//", "/x/y"),
        ("/bin/sub", "/usr/bin/sub"),
        ("/absolute/bin", "/usr/bin"),
        ("/out/thesis", "/outside/thesis"),
        ("/usr/up/x", "/x"),
        ("/usr/up/bin/..", "/usr"),
        ("/a\0b", "/a\0b"),
    ],
)
def test_where_a_path_leads(root: Path, path: str, resolved: str) -> None:
    assert resolve(root, path) == resolved
    assert str(inside(root, path)) == f"{root}{resolved if resolved != '/' else '/'}".rstrip("/")


def test_a_mount_is_the_only_way_out_and_leads_back(root: Path) -> None:
    volume = root.parent / "volume"
    (volume / "up").symlink_to("..")
    mounts = {"/data": volume}
    assert inside(root, "/data/x", mounts) == volume / "x"
    assert inside(root, "/data/../x", mounts) == root / "x"
    assert inside(root, "/data/up/x", mounts) == root / "x"


def test_links_in_a_circle_are_refused(root: Path) -> None:
    with pytest.raises(OSError, match="Too many levels of symbolic links") as refused:
        inside(root, "/loop/x")
    assert refused.value.errno == errno.ELOOP


NAMES = st.sampled_from(["a", "b", "c", "..", ".", ""])
PATHS = st.builds(lambda parts, slash: slash + "/".join(parts), st.lists(NAMES, max_size=5), st.sampled_from(["", "/"]))


@given(links=st.lists(st.tuples(PATHS, PATHS), max_size=6), path=PATHS)
@settings(max_examples=150)
def test_whatever_links_there_are_nothing_is_touched_outside(links: list[tuple[str, str]], path: str) -> None:
    """Each link is put where its own path leads; then the kernel itself says where the result is."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "root"
        root.mkdir()
        for where, target in [*links, (path, "end")]:
            try:
                place = inside(root, where)
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError:  # links in a circle, or a link where a folder is to be
                continue
            assert Path(os.path.realpath(place.parent)).is_relative_to(root) or place == root
            if place != root and target and not place.exists() and not place.is_symlink():
                place.symlink_to(target)
        assert [path.name for path in Path(folder).iterdir()] == ["root"]


# --- joins in the code

# Where paths come from objects, images or archives, each join that is not with a constant is one of these: what is
# joined was not written by anybody else. All other text goes through ``inside``.
KNOWN_JOINS = {
    "pocket_cluster/kubelet/agent.py": ["home.path / SOCKET"],
    "pocket_cluster/kubelet/command_streams.py": ["self._folder / name"],  # of a pipe: stdin, stdout, stderr
    "pocket_cluster/kubelet/container_root.py": [
        "programs / PYTHON_NAMES[0]",
        "programs / name",
        "programs / name",
        "root / path.lstrip('/')",  # for the pod's own program, which may go anywhere: nothing of ours opens it
        "Path(settings['working_directory']) / program",  # the same
    ],
    "pocket_cluster/kubelet/images.py": [
        "images / digest.replace(':', '-')",  # computed here
        "scratch.parent / digest.replace(':', '-')",
        "folder / name",  # Containerfile or Dockerfile
        "folder / name",
        "context / within",  # checked in the lines below it
        "place / entry.name",  # of a folder's entry
    ],
    "pocket_cluster/kubelet/logs.py": ["inside(pod_folder / 'logs', container) / f'{attempt}.log'"],
    "pocket_cluster/kubelet/mounts.py": [
        "volume / part",  # resolved, and refused where it leads out
        "inside(root, posixpath.dirname(resolved), placed) / posixpath.basename(resolved)",  # resolve did it already
    ],
    "pocket_cluster/kubelet/leftovers.py": ["Path(f'/proc/{pid}/stat')"],  # a number of ours
    "pocket_cluster/kubelet/runtime.py": ["Path(f'/proc/{pid}/status')"],
    "pocket_cluster/kubelet/node.py": ["STATUS_SECONDS / LEASE_SECONDS"],
    "pocket_cluster/kubelet/environment.py": ["quantity.parse(str(amount or 0)) / divisor"],
    "pocket_cluster/kubelet/volumes.py": [
        "folder / stamp",  # a time
        "folder / stamp",
        "folder / name",  # a name below ..data, the first part of a path that inside has taken
        "folder / name",
    ],
    "kubechaos_helpers/course/taking_along.py": [
        "my_folder() / PACKED",
        "Path(folder) / name",  # of os.walk
        "home / name",  # asks whether it leads out
        "folder / str(number)",
    ],
}
FILES = [*sorted(ROOT.glob("pocket_cluster/kubelet/*.py")), ROOT / "kubechaos_helpers/course/taking_along.py"]


def joins_in(source: str) -> list[str]:
    """Every join of a path with something that is not a constant, whichever way it is written."""
    return sorted(ast.unparse(node) for node in ast.walk(ast.parse(source)) if is_join(node))


def is_join(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    called, constant = ast.unparse(node.func), all(isinstance(each, ast.Constant) for each in node.args[-1:])
    is_written_out = called == "Path" and (len(node.args) > 1 or isinstance(node.args[0], ast.JoinedStr))
    return not constant and (called.endswith((".joinpath", "os.path.join")) or is_written_out)


def test_nothing_that_somebody_else_wrote_is_joined_with_a_folder_but_by_inside() -> None:
    found = {str(path.relative_to(ROOT)): joins_in(path.read_text()) for path in FILES}
    assert {name: joins for name, joins in found.items() if joins} == {
        name: sorted(joins) for name, joins in KNOWN_JOINS.items()
    }


@pytest.mark.parametrize(
    "join",
    [
        "volumes / mount['name']",
        "volumes.joinpath(mount['name'])",
        "Path(f'{volumes}/{mount[0]}')",
        "Path(volumes, mount['name'])",
        "os.path.join(volumes, mount['name'])",
    ],
)
def test_a_join_with_text_of_an_object_would_be_found(join: str) -> None:
    mutant = (ROOT / "pocket_cluster/kubelet/mounts.py").read_text()
    assert 'inside(volumes, mount["name"])' in mutant
    mutant = mutant.replace('inside(volumes, mount["name"])', join)
    assert joins_in(mutant) == sorted([*KNOWN_JOINS["pocket_cluster/kubelet/mounts.py"], join])
