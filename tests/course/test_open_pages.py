"""Two pages at once: each says that the other is open, and both keep their learner's progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from kubechaos_helpers.course import page, record

HOLDS = """
import sys
from kubechaos_helpers.course.open_pages import open_page
print(open_page(sys.argv[1]), flush=True)
sys.stdin.read()
"""
KEEPS = """
import sys
from kubechaos_helpers.course.record import keep
print(flush=True)
sys.stdin.readline()
for number in range(100):
    keep("questions", f"{sys.argv[1]}.{number}", number)
"""


@pytest.fixture
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my"
    monkeypatch.setenv("KUBECHAOS_MY", str(folder))
    return folder


@contextmanager
def another_kernel(number: str) -> Iterator[str]:
    """A process with a page open; what it was told of others."""
    command = [sys.executable, "-c", HOLDS, number]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ) as kernel:
        assert kernel.stdout
        yield kernel.stdout.readline().strip()
        kernel.communicate()


def test_a_page_says_that_others_are_open_until_their_kernels_end(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with another_kernel("02") as said:
        assert said == "[]"
        page.start("03")
        told = capsys.readouterr().out
        assert "Page 02 is open as well, on the same cluster" in told
        assert "catch_me_up" in told
        with another_kernel("04") as said:
            assert said == "['02', '03']"
            page.start("03")
            assert "Pages 02, 04 are open as well" in capsys.readouterr().out
    page.start("03")
    assert "open as well" not in capsys.readouterr().out


def test_the_progress_of_both_is_kept(my: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", KEEPS, which], stdin=PIPE, stdout=PIPE, text=True, env=os.environ)
        for which in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline()  # it is there
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(record.kept("questions")) == 200
    assert json.loads((my / "progress.json").read_text())
