"""Notebook 02 as a learner sees it: JupyterLab in a real browser, sliders moved by keyboard, the chart follows.

``KUBECHAOS_SCREENSHOTS=FOLDER`` keeps the pictures.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pocket_cluster import lifecycle
from pocket_cluster.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[2]
NOTEBOOK = "02-two-deployments-one-service.ipynb"
CELL_MILLISECONDS = 90_000
START_SECONDS = 60.0
# The cell with the sliders is the last that the test runs: the next one moves them by itself.
SLIDERS = "cluster.replica_sliders"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that shows the learner's copies, on a cluster of its own."""
    folder = tmp_path_factory.mktemp("jupyter")
    home, my = Home(folder / "cluster"), folder / "my"
    own = {"POCKET_CLUSTER_HOME": str(home.path), "KUBECHAOS_MY": str(my), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    environment = {**os.environ, **own, "JUPYTER_DATA_DIR": str(folder / "data")}
    code = "from kubechaos_helpers.files import open_copies; print(open_copies())"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, timeout=60)
    port = _free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--port-retries=0", "--IdentityProvider.token="]
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={my}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    _wait_for(f"{address}/api")
    yield address
    lab.terminate()
    lab.wait(30)
    lifecycle.down(home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)  # a starting server cannot be waited for in another way


@pytest.fixture(scope="module")
def page(jupyter: str, browser: Browser) -> Iterator[Page]:
    """The notebook, run down to the sliders."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{jupyter}/doc/tree/{NOTEBOOK}?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    _run_down_to_sliders(page)
    yield page
    page.close()


def _run_down_to_sliders(page: Page) -> None:
    """Run cell after cell as a learner does: Shift+Enter, wait for the cell's number, go on."""
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Home")
    sliders = page.locator(".jp-CodeCell", has_text=SLIDERS)
    while not sliders.locator(".jp-OutputArea-output .widget-slider").count():
        active = page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
        is_code = "jp-CodeCell" in (active.get_attribute("class") or "")
        prompt = page.locator(f"[data-windowed-list-index='{active.get_attribute('data-windowed-list-index')}']")
        page.keyboard.press("Shift+Enter")
        if is_code:
            finished = prompt.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
            finished.wait_for(state="attached", timeout=CELL_MILLISECONDS)


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("KUBECHAOS_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def _slider_cell(page: Page) -> Locator:
    return page.locator(".jp-CodeCell", has_text=SLIDERS)


def test_the_sliders_move_by_keyboard_and_the_chart_follows(page: Page) -> None:
    cell = _slider_cell(page)
    chart = cell.locator("img[alt]")
    chart.wait_for(timeout=30_000)
    cell.scroll_into_view_if_needed()
    _picture(page, "sliders-before")
    handle = cell.locator(".widget-slider .noUi-handle").nth(1)
    for _ in range(2):
        handle.press("ArrowRight")
    custom = cell.locator("input[type=number]").nth(1)
    page.wait_for_function("node => node.value === '3'", arg=custom.element_handle(), timeout=10_000)
    page.wait_for_function(
        "node => /custom got (6[5-9]|7\\d|8\\d)/.test(node.querySelector('img[alt]')?.alt ?? '')",
        arg=cell.element_handle(),
        timeout=40_000,
    )
    cell.get_by_text("kubechaos-custom: 3 ready").first.wait_for(timeout=20_000)
    chart.scroll_into_view_if_needed()
    _picture(page, "sliders-after")


def test_every_control_has_a_name_and_every_picture_a_text(page: Page) -> None:
    for control in page.locator(".jp-OutputArea-output").locator("button, input, [role=slider]").all():
        if control.is_visible():
            assert _name(control), control.evaluate("node => node.outerHTML")
    for picture in page.locator(".jp-OutputArea-output img").all():
        assert re.search(r"\w+ .*\.", picture.get_attribute("alt") or ""), "a picture without words"


def _name(control: Locator) -> str:
    """Roughly how the accessible name is found: label, title, own words."""
    return str(
        control.evaluate(
            "node => node.getAttribute('aria-label') || node.title || node.textContent.trim()"
            " || node.closest('.widget-inline-hbox, label')?.textContent.trim() || ''"
        )
    )


def test_a_committed_prediction_is_locked_and_read_beside_the_chart(page: Page) -> None:
    cell = page.locator(".jp-CodeCell", has_text='predict("02.three-quarters"')
    cell.scroll_into_view_if_needed()
    number = cell.get_by_label("Your prediction")
    number.fill("3")
    number.press("Enter")
    cell.get_by_role("button", name="Commit").click()
    cell.get_by_text("You predicted: 3.").wait_for(timeout=10_000)
    assert cell.get_by_role("button", name="Commit").is_disabled()
    _picture(page, "prediction")
