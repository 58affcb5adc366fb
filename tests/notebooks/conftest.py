"""A learner at a JupyterLab in a real browser. ``KUBECHAOS_SCREENSHOTS=FOLDER`` keeps pictures of what is seen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from claimed_port import claimed_port
from eventually import DEADLINE_SECONDS, eventually

from kubechaos_helpers.course import exercise
from pocket_cluster import lifecycle
from pocket_cluster.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CELL_MILLISECONDS = 300_000
ROOT = Path(__file__).parents[2]
SANITIZE = Path(__file__).with_name("sanitize.cfg")
# Shorter than the limit of a test, which would take along what the notebook has shown so far.
NBVAL_SECONDS = 1200
# Roles of WAI-ARIA, as Chromium's accessibility tree has them. A slider of ipywidgets cannot be given a name: each has
# a number field beside it, which has one.
CONTROLS = {"button", "checkbox", "combobox", "link", "listbox", "radio", "spinbutton", "textbox"}
PICTURES = {"image", "img"}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def nbval(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """``nbval(notebook, my)`` runs a notebook under nbval; all of a module's on one cluster."""
    home = Home(tmp_path_factory.mktemp("notebooks") / "cluster")
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZE), "--nbval-cell-timeout", "300"]
    plain = ["-q", *(f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "hypothesispytest"))]

    def run(notebook: Path, my: Path) -> subprocess.CompletedProcess[str]:
        own = {"POCKET_CLUSTER_HOME": str(home.path), "KUBECHAOS_MY": str(my), "KUBECHAOS_COURSE": str(ROOT)}
        command = [sys.executable, "-m", "pytest", *plain, *options, str(notebook)]
        environment = {**os.environ, **own, "PYTEST_ADDOPTS": ""}
        log = my.with_name("nbval.log")
        with log.open("w") as output:
            try:
                code = subprocess.run(
                    command, env=environment, cwd=ROOT, stdout=output, stderr=output, timeout=NBVAL_SECONDS
                ).returncode
            except subprocess.TimeoutExpired:
                pytest.fail(f"{notebook.name} was not through after {NBVAL_SECONDS} s: {log.read_text()}")
        return subprocess.CompletedProcess(command, code, log.read_text())

    yield run
    lifecycle.down(home)


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that shows the learner's copies, on a cluster of its own."""
    folder = tmp_path_factory.mktemp("jupyter")
    home, my = Home(folder / "cluster"), folder / "my"
    own = {"POCKET_CLUSTER_HOME": str(home.path), "KUBECHAOS_MY": str(my), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    own |= {"JUPYTER_DATA_DIR": str(folder / "data"), "JUPYTER_CONFIG_PATH": str(ROOT / "jupyter-settings")}
    environment = {**os.environ, **own}
    code = "from kubechaos_helpers.files import open_copies; print(open_copies())"
    subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, timeout=DEADLINE_SECONDS
    )
    with claimed_port() as port:
        options = ["--no-browser", "--allow-root", f"--port={port}", "--port-retries=0", "--IdentityProvider.token="]
        options += ["--LabApp.expose_app_in_browser=True"]  # for JupyterLab's commands
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={my}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: _answers(f"{address}/api"), "JupyterLab answers")
            yield address
        finally:
            lab.terminate()
            lab.wait(DEADLINE_SECONDS)
            lifecycle.down(home)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


class Learner:
    """Goes through the learner's copy of a notebook, cell by cell, and solves the exercises as the course does."""

    def __init__(self, page: Page, address: str, notebook: str) -> None:
        self.page, self._notebook = page, notebook
        self._devtools = page.context.new_cdp_session(page)
        self._exercises = [cell["metadata"].get("exercise", "") for cell in _cells_of_the_copy(notebook)]
        page.goto(f"{address}/doc/tree/{notebook}?reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=CELL_MILLISECONDS)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=CELL_MILLISECONDS)
        page.locator(".jp-Notebook .jp-Cell").first.click()
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Home")
        self._place = 0

    def cell(self, words: str) -> Locator:
        """The code cell that has these words."""
        return self.page.locator(".jp-CodeCell", has_text=words)

    def go_to(self, words: str) -> None:
        """Run everything down to the cell with these words, and that one."""
        while not self.cell(words).locator(".jp-OutputArea-output").count():
            self.step()

    def go_to_the_end(self) -> None:
        while self._place < len(self._exercises):
            self.step()

    def step(self) -> None:
        """Shift+Enter, and wait until the cell has its number."""
        here = self.page.locator(f".jp-Notebook [data-windowed-list-index='{self._place}']")
        if "jp-mod-active" not in (here.get_attribute("class") or ""):  # something was clicked elsewhere
            here.locator(".jp-InputPrompt").first.click(force=True)
        if self._exercises[self._place]:
            self._write(exercise.solution(self._exercises[self._place]))
        self.page.keyboard.press("Shift+Enter")
        if "jp-CodeCell" in (here.get_attribute("class") or ""):
            finished = here.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
            finished.wait_for(state="attached", timeout=CELL_MILLISECONDS)
            self._look(here)
        self._place += 1

    def _write(self, source: str) -> None:
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def _look(self, cell: Locator) -> None:
        """No traceback, and a name for every control and words for every picture."""
        for error in cell.locator(
            ".jp-OutputArea-output[data-mime-type*='error'], .jp-RenderedText[data-mime-type*=stderr]"
        ).all():
            assert "Traceback" not in error.inner_text(), error.inner_text()
        seen = self._accessible(f"[data-windowed-list-index='{self._place}'] .jp-Cell-outputWrapper")
        roles = [role for role, _ in seen]
        assert roles.count("slider") <= roles.count("spinbutton"), "a slider without a field"
        for role, name in seen:
            assert name or role not in CONTROLS, f"a {role} without a name"
            assert re.search(r"\w+ .*\.", name) or role not in PICTURES, "a picture without words"
        if os.environ.get("KUBECHAOS_SCREENSHOTS"):
            self.picture(f"{self._notebook[:2]}-{self._place:03}")

    def _accessible(self, selector: str) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader finds there, from the browser's own accessibility tree."""
        there = self._devtools.send("Runtime.evaluate", {"expression": f'document.querySelector("{selector}")'})
        nodes = self._devtools.send("Accessibility.queryAXTree", {"objectId": there["result"]["objectId"]})["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def picture(self, name: str) -> None:
        """Keep what is on the screen, if pictures are wanted."""
        folder = os.environ.get("KUBECHAOS_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))


def _cells_of_the_copy(notebook: str) -> list[Any]:
    """The shipped notebook's cells without all but the first of each exercise's."""
    cells = json.loads((ROOT / "notebooks" / notebook).read_text())["cells"]
    identities = [cell["metadata"].get("exercise", "") for cell in cells]
    again = [bool(one) and one == before for one, before in zip(identities, ["", *identities[:-1]], strict=True)]
    return [cell for cell, is_again in zip(cells, again, strict=True) if not is_again]


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


@pytest.fixture(scope="module")
def at(tab: Page, jupyter: str) -> Any:
    """``at(notebook)`` opens a learner's copy."""
    return lambda notebook: Learner(tab, jupyter, notebook)
