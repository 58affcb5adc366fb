"""Taking along what the learner has made, and bringing it back: all of it or nothing."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
import zlib
from pathlib import Path

import pytest

from kubechaos_helpers import CourseError
from kubechaos_helpers.course import record
from kubechaos_helpers.course.taking_along import PACKED, TakeAlong, pack, unpack


@pytest.fixture(autouse=True)
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "my"))
    (tmp_path / "my").mkdir()
    return tmp_path / "my"


def archive(method: int = zipfile.ZIP_STORED, /, **files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "/"), text)
    return content.getvalue()


def spoilt(content: bytes) -> bytes:
    """The same, with other bytes where the last file's compressed content should be."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    good = zlib.compress(b"x" * 100)[2:-4]
    start = packed.getvalue().rindex(good)
    return packed.getvalue()[:start] + b"\xff" * len(good) + packed.getvalue()[start + len(good) :]


def all_of(folder: Path) -> dict[str, str]:
    """Every file and folder, with what is in it."""
    return {
        str(path.relative_to(folder)): "link" if path.is_symlink() else path.read_text() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def test_what_was_packed_is_restored_elsewhere(my: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.keep("exercises", "00.two-pods", True)
    (my / "manifests").mkdir()
    (my / "manifests" / "own.yaml").write_text("mine")
    (my / ".ipynb_checkpoints").mkdir()
    (my / ".ipynb_checkpoints" / "old").write_text("old")
    pack()
    content = pack().read_bytes()  # which does not hold the first one
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path / "other"))
    assert unpack(content).startswith("2 files are back in my/. ")
    assert record.kept("exercises") == {"00.two-pods": True}
    assert (tmp_path / "other" / "manifests" / "own.yaml").read_text() == "mine"


def test_what_no_archive_can_hold_is_left_out_and_old_files_are_packed(my: Path, tmp_path: Path) -> None:
    (my / "old.yaml").write_text("old")
    os.utime(my / "old.yaml", (0, 0))
    os.mkfifo(my / "pipe")
    (my / "nowhere").symlink_to(tmp_path / "nosuch")
    with zipfile.ZipFile(pack()) as archive:
        assert archive.namelist() == ["old.yaml"]


def test_a_file_that_differs_is_kept_beside_the_one_that_comes_back(my: Path) -> None:
    (my / "own.yaml").write_text("new")
    (my / "same.yaml").write_text("same")
    said = unpack(archive(**{"own.yaml": "old", "same.yaml": "same"}))
    assert "1 that differed are kept as NAME.before." in said
    assert (my / "own.yaml").read_text() == "old"
    assert (my / "own.yaml.before").read_text() == "new"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive(zipfile.ZIP_LZMA, **{"ok.yaml": "1"}), "cannot be read .it is compressed in another way"),
        (b"not a zip", "This archive cannot be read"),
        (archive(**{"ok.yaml": "1", "..__..__evil": "2"}), r"would write outside of my/ \(\.\./\.\./evil\)"),
        (archive(**{"__evil": "2"}), "would write outside of my/"),
        (
            archive(**{"ok.yaml": "1", "folder": "2"}),
            "has a file where my/ has a folder, or .*: folder. Nothing was ch",
        ),
        (archive(**{"ok.yaml": "1", "file__inner": "2"}), "has a file where my/ has a folder, or .*: file/inner. Not"),
        (archive(**{"ok.yaml": "1", "a": "2", "a__b": "3"}), "has a file where my/ has a folder, or .*: a/b. Nothing"),
        (archive(**{"ok.yaml": "1", ".": "2"}), "has a file where my/ has a folder, or .*: \\.\\. Nothing was changed"),
        (archive(**{"ok.yaml": "1", "n" * 300: "2"}), "cannot be put back: .*File name too long.* Nothing was changed"),
        (archive(**{"ok.yaml": "1", "loop__a": "2"}), "Nothing was changed"),
        (spoilt(archive(**{"ok.yaml": "x" * 100, "too.yaml": "x" * 100})), "This archive cannot be read .*Nothing was"),
    ],
)
def test_a_bad_archive_changes_nothing(my: Path, content: bytes, sentence: str) -> None:
    (my / "folder").mkdir()
    (my / "file").write_text("mine")
    (my / "ok.yaml").write_text("mine")
    (my / "loop").symlink_to("loop")
    before = all_of(my)
    with pytest.raises(CourseError, match=sentence):
        unpack(content)
    assert all_of(my) == before


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()], ids=str)
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("refused", range(5))
def test_what_fails_half_way_is_undone(
    my: Path, monkeypatch: pytest.MonkeyPatch, refused: int, is_done: bool, error: BaseException
) -> None:
    """Whichever of the five moves fails: two files that differ, each moved aside and replaced, and a new one."""
    for name in "ab":
        (my / name).write_text("mine")
    before, rename, moves = all_of(my), Path.rename, iter(range(100))

    def refusing(self: Path, target: Path) -> Path:
        if next(moves) == refused:
            if is_done:  # as when an interrupt comes right after it
                rename(self, target)
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises((CourseError, KeyboardInterrupt), match=r"^$|No space left on device.* Nothing was changed\."):
        unpack(archive(a="theirs", new__folder__c="theirs", b="theirs"))
    assert all_of(my) == before


def test_no_state_of_a_file_is_lost_when_archives_come_one_after_the_other(my: Path) -> None:
    for text in ("first", "second", "third"):
        unpack(archive(**{"own.yaml": text}))
    assert all_of(my) == {"own.yaml": "third", "own.yaml.before": "first", "own.yaml.before.before": "second"}


def test_the_buttons_pack_and_restore_and_have_names(my: Path) -> None:
    (my / "own.yaml").write_text("mine")
    widget = TakeAlong()
    widget.button.click()
    assert f"my/{PACKED} has your files and your progress" in widget.state.value
    (my / "own.yaml").unlink()
    widget._restore({"new": ({"content": (my / PACKED).read_bytes()},)})
    assert (my / "own.yaml").read_text() == "mine"
    widget._restore({"new": ({"content": b"nothing"},)})
    assert "This archive cannot be read" in widget.state.value
    assert widget.button.tooltip
    assert widget.upload.tooltip


def test_the_record_of_another_machine_comes_back_whole(my: Path) -> None:
    unpack(archive(**{"progress.json": json.dumps({"questions": {"00.q1": True}})}))
    assert record.kept("questions") == {"00.q1": True}
