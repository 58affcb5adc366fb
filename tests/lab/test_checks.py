"""The gate and the full check say what was run, what is red and how to repeat it, and note a commit that has passed."""

from pathlib import Path
from types import ModuleType

import ci_programs
import pytest


@pytest.fixture
def checks(tmp_path: Path) -> ModuleType:
    return ci_programs.load("checks", tmp_path)


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def green(checks: ModuleType) -> list[str]:
    file = checks.TOOLS / "green"
    return file.read_text().split() if file.exists() else []


def test_all_green_is_noted_with_the_commit(checks: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    checks.STEPS["run"] = {"one": shell("echo fine"), "two": shell("test -n $KUBECHAOS_NO_SKIP")}
    assert checks.main("run", []) == 0
    printed = capsys.readouterr().out
    assert "=== one\nfine\n" in printed
    assert [line.split()[::2] for line in printed.splitlines()[-3:-1]] == [["one", "green"], ["two", "green"]]
    assert green(checks) == [ci_programs.git(checks, "rev-parse", "HEAD")]


def test_a_step_alone_and_a_changed_clone_are_not_noted(checks: ModuleType) -> None:
    checks.STEPS["run"] = {"one": shell("true")}
    assert checks.main("run", ["one"]) == 0
    (checks.ROOT / "changed").touch()
    assert checks.main("run", []) == 0
    assert green(checks) == []


def test_a_commit_that_is_made_meanwhile_has_not_passed(checks: ModuleType) -> None:
    checks.STEPS["run"] = {"one": shell("git -c user.name=a -c user.email=a@b commit -q --allow-empty -m meanwhile")}
    assert checks.main("run", []) == 0
    assert green(checks) == []


def test_after_a_red_step_the_others_run_and_the_table_says_what_failed(
    checks: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest_says = "echo noise; echo 'FAILED tests/a.py::test_b - assert 1 == 2'; seq 61; exit 1"
    checks.STEPS["run"] = {"tests": shell(pytest_says), "other": shell("seq 100; kill -9 $$"), "last": shell("true")}
    assert checks.main("run", []) == 1
    printed = capsys.readouterr().out.partition("\nstep ")[2]
    assert [line.split()[2] for line in printed.splitlines()[1:4]] == ["RED", "RED", "green"]
    assert "tests is red. Alone: bash .ci/run tests\n    FAILED tests/a.py::test_b - assert 1 == 2\n    50\n" in printed
    assert "other is red. Alone: bash .ci/run other\n    89\n" in printed
    assert green(checks) == []


def test_what_cannot_run_here_is_named_and_not_green_and_red_in_the_gate(
    checks: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = {"binder": shell("echo There are no namespaces here.; exit 77"), "lint": shell("true")}
    checks.STEPS.update(run=steps, full=steps)
    assert checks.main("full", []) == 77
    printed = capsys.readouterr().out
    assert "binder could not run here: There are no namespaces here.\n" in printed
    assert printed.endswith("1 steps could not run here: binder. That is not green.\n")
    assert checks.main("run", []) == 1
    assert green(checks) == []


def test_a_step_that_there_is_not_is_refused_before_any_runs(
    checks: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks.main("run", ["lint", "lnit"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "There is no step 'lnit' in .ci/run; there are: tools, lint, tests, parity, newcomer.\n"


def test_the_programs_of_all_steps_exist(checks: ModuleType) -> None:
    programs = [command[0] for command in checks.FULL.values()]
    assert [name for name in programs if "/" in name and not (ci_programs.CI.parent / name).exists()] == []
