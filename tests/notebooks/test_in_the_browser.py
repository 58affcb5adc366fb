"""The pages as a learner sees them: JupyterLab in a real browser, worked by keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eventually import DEADLINE_SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Page

LESSON = "02-two-deployments-one-service.ipynb"
# Where pictures are wanted, all pages are walked through; else those that every learner meets first.
PAGES = "*.ipynb" if os.environ.get("KUBECHAOS_SCREENSHOTS") else "00-*.ipynb"
NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob(PAGES))
SLIDERS = "cluster.replica_sliders"
MILLISECONDS = DEADLINE_SECONDS * 1000

LEGIBLE = Path(__file__).with_name("legible.js").read_text()

pytestmark = pytest.mark.timeout(1300)
At = Callable[[str], Any]


@pytest.fixture(scope="module")
def learner(at: At) -> Any:
    """At the sliders of notebook 02: the next cell moves them by itself."""
    found = at(LESSON)
    found.go_to(SLIDERS)
    return found


def test_the_sliders_move_by_keyboard_and_the_chart_follows(learner: Any) -> None:
    page: Page = learner.page
    cell = learner.cell(SLIDERS)
    chart = cell.locator("img[alt]")
    chart.wait_for(timeout=MILLISECONDS)
    cell.scroll_into_view_if_needed()
    learner.picture("sliders-before")
    handle = cell.locator(".widget-slider .noUi-handle").nth(1)
    for _ in range(2):
        handle.press("ArrowRight")
    custom = cell.locator("input[type=number]").nth(1)
    page.wait_for_function("node => node.value === '3'", arg=custom.element_handle(), timeout=MILLISECONDS)
    page.wait_for_function(
        "node => /custom got (6[5-9]|7\\d|8\\d)/.test(node.querySelector('img[alt]')?.alt ?? '')",
        arg=cell.element_handle(),
        timeout=MILLISECONDS,
    )
    cell.get_by_text("kubechaos-custom: 3 ready").first.wait_for(timeout=MILLISECONDS)
    chart.evaluate("node => node.scrollIntoView()")  # at once: a chart that is drawn again and again is never stable
    learner.picture("sliders-after")


def test_a_committed_prediction_is_locked(learner: Any) -> None:
    cell = learner.cell('predict("02.three-quarters")')
    cell.scroll_into_view_if_needed()
    number = cell.get_by_label("Your prediction")
    number.fill("3")
    number.press("Enter")
    cell.get_by_role("button", name="Commit").click()
    cell.get_by_text("You predicted: 3.").wait_for(timeout=MILLISECONDS)
    assert cell.get_by_role("button", name="Commit").is_disabled()
    learner.picture("prediction")


def test_a_wrong_answer_names_what_is_behind_it_and_a_right_one_is_kept(learner: Any) -> None:
    learner.cell(SLIDERS).get_by_role("button", name="Stop").click()
    learner.go_to('quiz("02")')
    cell = learner.cell('quiz("02")')
    cell.get_by_role("button", name="Check answer 2").press("Enter")
    cell.get_by_text("Nothing is chosen yet.").wait_for(timeout=MILLISECONDS)
    cell.get_by_label("In turns, one pod after the other").press("Space")
    cell.get_by_role("button", name="Check answer 2").press("Enter")
    cell.get_by_text("See section 02.9").wait_for(timeout=MILLISECONDS)
    cell.get_by_label("At random, each connection on its own").press("Space")
    cell.get_by_role("button", name="Check answer 2").press("Enter")
    cell.get_by_text("Right. You measured it here").wait_for(timeout=MILLISECONDS)
    learner.picture("quiz")


def test_an_explanation_opens_the_model_answer(learner: Any) -> None:
    cell = learner.cell('explain("02.version-label")')
    cell.scroll_into_view_if_needed()
    cell.get_by_role("button", name="Keep").press("Enter")
    cell.get_by_text("Write a sentence first").wait_for(timeout=MILLISECONDS)
    cell.get_by_label("Your explanation").fill("Each Deployment must know its own pods.")
    cell.get_by_role("button", name="Keep").press("Enter")
    cell.get_by_text("A model answer:").wait_for(timeout=MILLISECONDS)
    learner.picture("explanation")


@pytest.fixture
def in_the_dark_at_125_percent(learner: Any) -> Iterator[None]:
    page: Page = learner.page
    size = page.viewport_size
    assert size
    zoomed = {"width": int(size["width"] / 1.25), "height": int(size["height"] / 1.25)}
    page.set_viewport_size(zoomed)  # type: ignore[arg-type]  # Zoom makes the window smaller, in the page's own units.
    use_theme(page, "JupyterLab Dark")
    yield
    use_theme(page, "JupyterLab Light")
    page.set_viewport_size(size)


def use_theme(page: Page, name: str) -> None:
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
    page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached", timeout=MILLISECONDS)


@pytest.mark.usefixtures("in_the_dark_at_125_percent")
def test_what_a_page_shows_can_be_read_in_the_dark_and_at_125_percent(learner: Any) -> None:
    seen = learner.page.evaluate(LEGIBLE)
    learner.picture("dark")
    assert seen["texts"] > 100
    assert seen["faint"] == []
    assert seen["cut"] == []


@pytest.mark.parametrize("notebook", [name for name in NOTEBOOKS if name != LESSON])
def test_a_learner_comes_to_the_end_of_a_page(at: At, notebook: str) -> None:
    learner = at(notebook)
    learner.go_to_the_end()
    learner.picture(f"{notebook[:2]}-end")
