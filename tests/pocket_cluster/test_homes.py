"""A cluster's folder is its user's alone, and what is damaged in it is made again or told before anything starts."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from eventually import DEADLINE_SECONDS

from pocket_cluster import certificates, lifecycle
from pocket_cluster.apiserver.database import Database, Revision, Unusable, examine
from pocket_cluster.home import Home


def pocket_cluster(home: Home, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pocket_cluster", "--home", str(home.path), command]
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_a_folder_that_was_open_to_all_is_closed_and_what_is_written_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "open")
    home.path.mkdir()
    home.path.chmod(0o755)
    lifecycle.up(home)
    try:
        written = [path for path in home.path.rglob("*") if home.pods_dir not in path.parents and not path.is_socket()]
        open_to_others = [path.name for path in written if path.stat().st_mode & 0o077]
    finally:
        lifecycle.down(home)
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert home.database in written
    assert {path.name for path in home.path.iterdir() if path.name in open_to_others} <= MADE_BY_THE_CALLER


# By whoever starts the cluster, with the usual mode, in a folder that is closed.
MADE_BY_THE_CALLER = {"up.lock"}


@pytest.mark.parametrize(("beside", "mode"), [("", 0o700), ("tokens.json", 0o700), ("thesis.txt", 0o755)])
def test_only_a_folder_that_is_a_clusters_is_closed(tmp_path: Path, beside: str, mode: int) -> None:
    """``POCKET_CLUSTER_HOME=/tmp`` must not take /tmp away from everybody."""
    home = Home(tmp_path / "given")
    home.path.mkdir()
    home.path.chmod(0o755)
    if beside:
        (home.path / beside).touch()
    home.make_folders()
    assert stat.S_IMODE(home.path.stat().st_mode) == mode
    folders = (home.run_dir, home.logs_dir, home.images_dir, home.pods_dir)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 4


# --- files that a power cut left empty


KEPT = ("tokens.json", "api-port", "address-block", "ca.crt", "ca.key", "server.crt", "server.key")


@pytest.mark.parametrize("damaged", KEPT)
@pytest.mark.parametrize("content", ["", "{", "99999999"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damaged: str, content: str) -> None:
    home = prepared(tmp_path)
    before = {name: (tmp_path / name).read_text() for name in KEPT}
    (tmp_path / damaged).write_text(content)
    home = prepared(tmp_path)
    home.server_ssl_context()
    assert home.credentials("admin").token in home.tokens()
    assert 0 < home.api_port < 65536
    assert home.address_block
    changed = {name for name in KEPT if (tmp_path / name).read_text() != before[name]}
    assert changed <= ({*KEPT[3:]} if damaged in KEPT[3:] else {damaged})
    assert not list(tmp_path.glob("*.new"))


def prepared(folder: Path) -> Home:
    home = Home(folder)
    home.make_folders()
    certificates.ensure(home.path)
    home.keep_address_block(home.address_block or 77)
    home.prepare()
    return home


# --- what is stored


def stored(path: Path, *statements: str) -> None:
    database = Database(path)
    database.append([Revision(1, "configmaps", "default/a", True, False, b'{"metadata": {}}')])
    for statement in statements:
        database._connection.execute(statement)
    database.close()


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no database": (
        lambda path: path.write_text("not a database, but long enough to look at" * 9),
        "is damaged (file is",
    ),
    "a damaged header": (
        lambda path: (stored(path), overwrite(path, 0, b"nothing")),
        "is damaged (file is not a database)",
    ),
    "damaged pages": (lambda path: (stored(path), overwrite(path, 4096, b"\xff" * 4096)), "is damaged ("),
    "a row that is no object": (
        lambda path: stored(path, "INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, '[]')"),
        "is damaged (revision 2 is no object)",
    ),
    "a row that is no JSON": (
        lambda path: stored(path, "INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, '{')"),
        "is damaged (Expecting",
    ),
    "another column": (
        lambda path: stored(path, "ALTER TABLE revisions ADD COLUMN more TEXT"),
        "has other tables than a cluster's",
    ),
    "somebody else's": (
        lambda path: sqlite3.connect(path).execute("CREATE TABLE songs (name TEXT)"),
        "has other tables than a cluster's",
    ),
    "a newer release's": (
        lambda path: stored(path, "PRAGMA user_version = 2"),
        "was written by a newer release (its data has version 2, this one knows 1)",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_told_and_not_changed(tmp_path: Path, name: str) -> None:
    make, why = UNUSABLE[name]
    make(tmp_path / "state.db")
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(Unusable) as refusal:
        examine(tmp_path / "state.db")
    assert str(refusal.value).startswith(why)
    assert (tmp_path / "state.db").read_bytes() == before


def test_nothing_stored_and_what_the_first_releases_stored_can_be_used(tmp_path: Path) -> None:
    examine(tmp_path / "none.db")
    (tmp_path / "empty.db").touch()
    examine(tmp_path / "empty.db")
    stored(tmp_path / "old.db", "PRAGMA user_version = 0")
    examine(tmp_path / "old.db")
    Database(tmp_path / "old.db").close()
    assert sqlite3.connect(tmp_path / "old.db").execute("PRAGMA user_version").fetchone() == (1,)


def test_up_says_at_once_that_the_objects_cannot_be_read_and_reset_begins_without_them(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make_folders()
    home.database.write_text("x" * 5000)
    refused = pocket_cluster(home, "up")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"The cluster's objects cannot be read: {home.database} is damaged (file is not a database). Nothing was"
        " changed. Put a copy of that file back, or begin without its Deployments, Services and all other objects:"
        " pocket-cluster reset (images and keys stay).\n"
    )
    assert home.database.read_text() == "x" * 5000
    assert not list(home.run_dir.glob("*.serves"))
    assert pocket_cluster(home, "reset").returncode == 0
    try:
        assert pocket_cluster(home, "up").returncode == 0
    finally:
        lifecycle.down(home)
