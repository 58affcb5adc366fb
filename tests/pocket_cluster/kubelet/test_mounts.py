"""Where mounts lead, and what is said of those that cannot be: as Kubernetes 1.36 with containerd and runc says it.

``SOURCE`` stands for the volume's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pocket_cluster.kubelet.environment import ConfigurationError
from pocket_cluster.kubelet.mounts import CannotStart, mount_all, mounts_of

UNABLE = "unable to start container process: error during container init: "
NOTHING_LEFT = (
    "unable to start container process: error closing exec fds: open /proc/self/fd: no such file or directory"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "pod" / "root"
    for folder in ("etc", "usr/bin", "data/kept"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root\n")
    (root / "bin").symlink_to("usr/bin")
    return root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume's folder, with a file in it, and the user's thesis beside the pod."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("words")
    volume = tmp_path / "pod" / "volumes" / "v"
    volume.mkdir(parents=True)
    (volume / "file").write_text("from the volume")
    return volume


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/data", "data"),
        ("/x/y", "x/y"),
        ("data/sub", "data/sub"),
        ("/../../../../x", "x"),
        ("/data/../../x/./y//", "x/y"),
        ("/bin/sub", "usr/bin/sub"),
        ("/a:b", "a:b"),
        ("/../../thesis", "thesis"),
    ],
)
def test_a_volume_is_where_the_real_runtime_puts_it(root: Path, volume: Path, path: str, place: str) -> None:
    assert mount_all(root, {path: volume}) == {f"/{place}": volume}
    assert (root / place / "file").read_text() == "from the volume"
    assert (volume.parents[2] / "thesis" / "chapter").read_text() == "words"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", NOTHING_LEFT),
        ("..", NOTHING_LEFT),
        (
            "/etc/passwd",
            f'{UNABLE}error mounting "SOURCE" to rootfs at "/etc/passwd": mount SOURCE:/etc/passwd'
            " (via /proc/self/fd/6), flags: 0x5000: not a directory",
        ),
        (
            "/etc/passwd/x",
            f'{UNABLE}error mounting "SOURCE" to rootfs at "/etc/passwd/x": open o_path procfd: open /etc/passwd/x:'
            " not a directory",
        ),
        (
            "/a\0b",
            "invalid mount {Destination:/a\0b Type:bind Source:SOURCE Options:[rbind rprivate rw] UIDMappings:[]"
            " GIDMappings:[]}: mount field contains null byte",
        ),
    ],
)
def test_what_cannot_be_mounted_is_said_in_its_words(root: Path, volume: Path, path: str, words: str) -> None:
    with pytest.raises(CannotStart) as refused:
        mount_all(root, {path: volume})
    assert str(refused.value) == words.replace("SOURCE", str(volume))


def test_a_path_that_is_too_long_is_refused_as_the_system_does(root: Path, volume: Path) -> None:
    with pytest.raises(CannotStart, match=r"file name too long$"):
        mount_all(root, {f"/{'x' * 300}": volume})


def test_a_message_file_is_no_folder(root: Path, volume: Path) -> None:
    for path in ("/", "/etc"):
        with pytest.raises(CannotStart, match=r"flags: 0x5000: not a directory$"):
            mount_all(root, {path: volume / "file"})
    assert mount_all(root, {"/../../x/m": volume / "file"}) == {"/x/m": volume / "file"}


def test_a_volume_within_a_volume_is_there_also_when_the_container_starts_again(root: Path, volume: Path) -> None:
    other = volume.parent / "w"
    other.mkdir()
    mounts = {"/data/sub": other, "/data": volume}
    for _ in range(2):
        assert mount_all(root, mounts) == {"/data": volume, "/data/sub": other}
        assert (root / "data" / "sub").samefile(other)
        (root / "data").unlink()


def test_files_of_another_volume_are_not_taken_away_to_be_hidden(root: Path, volume: Path) -> None:
    other = volume.parent / "w"
    other.mkdir()
    (volume / "sub").mkdir()
    (volume / "sub" / "kept").write_text("")
    with pytest.raises(CannotStart, match=r"directory not empty$"):
        mount_all(root, {"/data/sub": other, "/data": volume})
    assert (volume / "sub" / "kept").exists()
    with pytest.raises(CannotStart, match=r"file not empty$"):
        mount_all(root, {"/data/file": other.parent.parent / "root" / "etc" / "passwd", "/data": volume})
    assert (volume / "file").read_text() == "from the volume"


# --- parts of volumes


def source_of(volume: Path, mount: Mapping[str, Any], **environment: str) -> Path:
    container = {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/data", **mount}]}
    (volume.parents[1] / "scratch").mkdir(exist_ok=True)
    return mounts_of(container, volume.parent, volume.parents[1] / "scratch", environment)["/data"]


@pytest.mark.parametrize(
    ("mount", "part"),
    [
        ({}, ""),
        ({"subPath": "one/two"}, "one/two"),
        ({"subPath": "file"}, "file"),
        ({"subPathExpr": "$(P)/two"}, "one/two"),
        ({"subPathExpr": "plain"}, "plain"),
    ],
)
def test_a_part_of_a_volume_is_made_where_it_is_not_there(volume: Path, mount: dict[str, str], part: str) -> None:
    found = source_of(volume, mount, P="one")
    assert found == volume / part
    assert found.exists()


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ({"subPathExpr": "$(NOPE)/two"}, "missing value for NOPE"),
        ({"subPathExpr": "$(EMPTY)"}, "missing value for EMPTY"),
        ({"subPathExpr": "$(UP)/two"}, "unable to provision SubPath `../two`: must not contain '..'"),
        ({"subPathExpr": "$(ABS)"}, "error SubPath `/abs` must not be an absolute path"),
        ({"subPath": "link"}, 'failed to prepare subPath for volumeMount "v" of container "a"'),
        ({"subPath": "up/sub"}, 'failed to create subPath directory for volumeMount "v" of container "a"'),
        ({"subPath": "file/x"}, 'failed to prepare subPath for volumeMount "v" of container "a"'),
        ({"subPath": "loop/x"}, 'failed to prepare subPath for volumeMount "v" of container "a"'),
        ({"subPath": "x" * 300}, 'failed to prepare subPath for volumeMount "v" of container "a"'),
        ({"subPath": "a\0b"}, 'failed to prepare subPath for volumeMount "v" of container "a"'),
    ],
)
def test_a_part_that_leads_out_of_its_volume_is_refused(volume: Path, mount: dict[str, str], words: str) -> None:
    (volume / "link").symlink_to(volume.parents[2] / "thesis")
    (volume / "up").symlink_to("../../..")
    (volume / "loop").symlink_to("loop")
    before = sorted(volume.parents[2].rglob("*"))
    with pytest.raises(ConfigurationError) as refused:
        source_of(volume, mount, EMPTY="", UP="..", ABS="/abs")
    assert str(refused.value) == words
    assert [path for path in sorted(volume.parents[2].rglob("*")) if path.name != "scratch"] == before


def test_a_link_within_the_volume_is_followed(volume: Path) -> None:
    (volume / "real").mkdir()
    (volume / "link").symlink_to("real")
    assert source_of(volume, {"subPath": "link"}) == volume / "real"
