"""A cluster's folder is its user's alone, and what is damaged in it is made again or told before anything starts."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from eventually import DEADLINE_SECONDS

from pocket_cluster import certificates, lifecycle
from pocket_cluster.apiserver.database import SCHEMA, Database, Revision, Unusable, examine
from pocket_cluster.home import Home


def pocket_cluster(home: Home, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pocket_cluster", "--home", str(home.path), command]
    return subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def test_a_folder_that_was_open_to_all_is_closed_and_what_is_written_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "open")
    home.path.mkdir()
    home.path.chmod(0o755)
    lifecycle.up(home)
    lifecycle.down(home)  # so that nothing is written while it is looked at
    written = [path for path in home.path.rglob("*") if home.pods_dir not in path.parents]
    open_to_others = {path.name for path in written if path.stat().st_mode & 0o077}
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert home.database in written
    assert home.log_of("kubelet") in written
    assert not open_to_others


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
    made_again = {"ca.crt": KEPT[3:], "ca.key": KEPT[3:], "server.crt": KEPT[5:], "server.key": KEPT[5:]}
    # The number of the block is asked for anew, and may be the same.
    assert changed | {"address-block"} == {*made_again.get(damaged, [damaged]), "address-block"}
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("copied", ["ca.crt", "ca.key", "server.crt", "server.key", "server.*", "ca.*"])
def test_what_belongs_to_other_keys_is_made_again(tmp_path: Path, copied: str) -> None:
    """Of a folder that was copied, or restored, in part."""
    home = prepared(tmp_path / "one")
    for file in prepared(tmp_path / "other").path.glob(copied):
        shutil.copy(file, home.path)
    home = prepared(home.path)
    shake_hands(home.server_ssl_context(), ssl.create_default_context(cafile=home.path / "ca.crt"))


def test_keys_of_another_kind_are_made_again(tmp_path: Path) -> None:
    home = prepared(tmp_path)
    encrypted = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    (home.path / "server.key").write_bytes(encrypted)
    (home.path / "ca.key").write_bytes(encrypted)
    shake_hands(prepared(home.path).server_ssl_context(), ssl.create_default_context(cafile=home.path / "ca.crt"))


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """In memory; ssl.SSLError when the client does not trust the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in ends * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    assert all(end.version() for end in ends)


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
    database.append([Revision(1, "configmaps", "default/a", True, False, b'{"metadata": {"name": "a"}}')])
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
    "a row that is a number": (
        lambda path: stored(path, "INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, 5)"),
        "is damaged (revision 2 is no object)",
    ),
    "a row without a name": (
        lambda path: stored(path, "INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, '{\"metadata\": {}}')"),
        "is damaged (revision 2 is no object)",
    ),
    "a row that has no end": (
        lambda path: stored(path, f"INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, '{'[' * 100_000}')"),
        "is damaged (maximum recursion depth",
    ),
    "a fact that is no number": (
        lambda path: stored(path, "INSERT INTO facts VALUES ('compacted', 'x')"),
        "is damaged (compacted is no number)",
    ),
    "a row that is no JSON": (
        lambda path: stored(path, "INSERT INTO revisions VALUES (2, 'pods', 'a', 1, 0, '{')"),
        "is damaged (Expecting",
    ),
    "another column": (
        lambda path: stored(path, "ALTER TABLE revisions ADD COLUMN more TEXT"),
        "has other tables than a cluster's",
    ),
    "facts of another kind": (
        lambda path: stored(path, "DROP TABLE facts", "CREATE TABLE facts (a, b)"),
        "has other tables than a cluster's",
    ),
    "a form of another time": (
        lambda path: (stored(path), overwrite(path, 47, b"\xff")),
        "is damaged (unsupported file format)",
    ),
    "somebody else's": (
        lambda path: sqlite3.connect(path).execute("CREATE TABLE songs (name TEXT)"),
        "has other tables than a cluster's",
    ),
    "somebody else's, of names with blanks": (
        lambda path: sqlite3.connect(path).execute('CREATE TABLE "my songs" (name TEXT)'),
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


@pytest.mark.parametrize("statement", ["BEGIN EXCLUSIVE", "PRAGMA locking_mode = EXCLUSIVE"])
def test_what_cannot_be_read_now_is_not_called_damaged(tmp_path: Path, statement: str) -> None:
    stored(tmp_path / "state.db", "PRAGMA journal_mode = DELETE")
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute(statement)
        other.execute("DELETE FROM facts")
        with pytest.raises(Unusable, match=r"^cannot be read now \(database is locked\)$") as refusal:
            examine(tmp_path / "state.db")
    assert "reset" not in refusal.value.way_out


def test_a_file_that_nobody_may_open_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()  # as root, who may open everything
    with pytest.raises(Unusable, match=r"^cannot be read now \((unable to open database file|disk I/O error)\)$"):
        examine(tmp_path / "state.db")


@pytest.mark.parametrize("number", range(1, 4))
def test_a_first_start_that_was_cut_anywhere_is_gone_on_with(tmp_path: Path, number: int) -> None:
    statements = [each for each in re.split(r";\n", re.sub("--.*", "", SCHEMA)) if each.strip()]
    assert len(statements) == 3
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        for statement in statements[:number]:
            connection.execute(statement)
    examine(tmp_path / "state.db")
    Database(tmp_path / "state.db").close()
    examine(tmp_path / "state.db")


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
