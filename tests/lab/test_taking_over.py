"""What those need who teach with the course, cite it, check it elsewhere or take it over."""

import json
import re
import runpy
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kubechaos_helpers.course.pages import Page, all_pages

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.md"))
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"
LINK = re.compile(r"(?<!!)\[[^]]+\]\(([^)\s]+)\)")


def test_actionlint_finds_nothing_in_the_workflow(ci_tool: Callable[[str], str]) -> None:
    done = subprocess.run([ci_tool("actionlint"), WORKFLOW], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_workflow_runs_the_test_command_where_the_course_says_that_it_runs() -> None:
    job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]
    runs = {(each["system"].partition("-")[0], each["python"]) for each in job["strategy"]["matrix"]["include"]}
    assert {("ubuntu", "3.11"), ("ubuntu", "3.14")} < runs
    assert "macos" in {system for system, _ in runs}
    assert "python3 lab.py test" in [step.get("run") for step in job["steps"]]


def test_the_citation_is_valid_and_names_this_version(ci_tool: Callable[[str], str]) -> None:
    command: list[str | Path] = [ci_tool("cffconvert"), "--validate", "-i", ROOT / "CITATION.cff"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]


def test_a_codespace_has_a_python_that_the_course_supports_and_its_commands_are_bash() -> None:
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert settings["image"].endswith((ROOT / "binder" / "runtime.txt").read_text().strip().replace("python-", ":"))
    for name in ("postCreateCommand", "postAttachCommand"):
        assert subprocess.run(["bash", "-n"], input=settings[name], text=True).returncode == 0
        for program in re.findall(r"python3 ([\w/]+\.py)", settings[name]):
            assert (ROOT / program).exists()


@by_name
def test_every_link_in_a_page_leads_somewhere(page: Path) -> None:
    """Those to other sites are not followed: a test must not depend on them."""
    for link in LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        if "://" not in link:
            target = ROOT / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_name
def test_every_command_and_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    commands = runpy.run_path(str(ROOT / "lab.py"))["COMMANDS"]
    assert set(re.findall(r"python3 lab\.py ([a-z]+)", text)) <= set(commands)
    for path in re.findall(r"`((?:\.ci|binder|docs|tests|kubechaos_helpers|pocket_cluster|notebooks)/[\w./-]*)`", text):
        assert "NN" in path or (ROOT / path).exists(), path


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.number))
def test_instructors_are_told_each_pages_minutes(page: Page) -> None:
    core = sum(section.minutes for section in page.sections if section.core)
    row = f"| {page.number} | {page.title} | {page.minutes} | {core} |"
    assert row in (ROOT / "INSTRUCTORS.md").read_text().splitlines()
