"""Runs of all tests leave a line each, and are counted for the code that they ran."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import ci_programs
import pytest

TOLD = "$POCKET_CLUSTER_ADDRESSES,$KUBECHAOS_TEST_ORDER,$(nproc)"
RED = "echo 'ERROR    asyncio:base_events.py:1 oh'; echo 'FAILED tests/a.py::test_b[one two] - assert 1 == 2'; exit 1"


@pytest.fixture
def steady(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("POCKET_CLUSTER_ADDRESSES", "KUBECHAOS_TEST_ORDER"):  # it may be what runs this test
        monkeypatch.delenv(name, raising=False)
    return ci_programs.load("steady", tmp_path)


def suite(steady: ModuleType, text: str) -> None:
    steady.SUITE = ["sh", "-c", text]


def test_five_runs_are_one_of_each_kind(steady: ModuleType, tmp_path: Path) -> None:
    suite(steady, f'echo "{TOLD}" >>"{tmp_path}/told"')
    assert steady.main(["5"]) == 0
    runs = steady.known_runs()
    assert tuple(run.kind for run in runs) == steady.KINDS
    assert {run.commit for run in runs} == {ci_programs.git(steady, "rev-parse", "HEAD")[:7]}
    cores = len(os.sched_getaffinity(0))
    told = [f",,{cores}", f",,{cores}", ",,1", f",4,{cores}", f"single,,{cores}"]
    assert (tmp_path / "told").read_text().split() == told


def test_what_failed_is_counted_by_kind(steady: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    suite(steady, RED)
    assert steady.main(["1", "busy"]) == 1
    assert steady.main(["1", "one-core"]) == 1
    suite(steady, "true")
    capsys.readouterr()
    assert steady.main(["2", "busy"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:4:3] for line in lines[-6:-2]] == [["RED"], ["RED"], ["green"], ["green"]]
    assert lines[-2:] == [
        "failed 2 of 4: tests/a.py::test_b[one two] (1 busy, 1 one-core)",
        "green in a row: 2, 2 of them busy or on one core",
    ]


def test_commits_that_differ_only_in_documents_are_the_same_code(steady: ModuleType) -> None:
    suite(steady, "true")
    assert steady.main(["1"]) == 0
    ci_programs.commit(steady, "README.md", "second")
    assert steady.main(["1"]) == 0
    assert [run.kind for run in steady.known_runs()] == ["quiet", "busy"]
    ci_programs.commit(steady, "lab.py", "code")
    assert steady.known_runs() == []


def test_what_is_not_committed_cannot_be_named(steady: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    suite(steady, "true")
    (steady.ROOT / "new").touch()
    assert steady.main(["1"]) == 2
    assert capsys.readouterr().err.startswith("There are changes that are not committed: commit them first")
    assert steady.known_runs() == []


def test_a_kind_that_there_is_not_is_refused(steady: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert steady.main(["3", "lazy"]) == 2
    assert capsys.readouterr().err == (
        "How often, and of which kind if it is to be one: .ci/steady 5 [quiet|busy|one-core|shuffled|single]\n"
    )
