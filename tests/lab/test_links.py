"""What the documents and the pages point to is there: files, headings, sections; and each picture has words."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from kubechaos_helpers.course.pages import all_pages

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.ipynb")])
by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def words_of(document: Path) -> str:
    """Its Markdown without code."""
    if document.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in nbformat.read(document, 4).cells if cell.cell_type == "markdown")
    else:
        text = document.read_text()
    return re.sub(r"(?ms)^```.*?^```$|^    .*?$", "", text)


def anchors_of(document: Path) -> set[str]:
    """The names that GitHub and JupyterLab give to its headings, in small letters."""
    headings = re.findall(r"(?m)^#+ (.*)$", words_of(document))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@by_name
def test_a_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", words_of(document)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), target
        assert not anchor or anchor.lower() in anchors_of(there), target


@by_name
def test_a_picture_has_words(document: Path) -> None:
    assert all(len(words.split()) >= 2 for words in re.findall(r"!\[(.*?)\]\(", words_of(document)))


@by_name
def test_a_section_that_is_named_is_there(document: Path) -> None:
    sections = {each.id for page in all_pages() for each in page.sections}
    assert set(re.findall(r"\b[Ss]ections? (\d\d\.\d+)", words_of(document))) <= sections


@by_name
def test_a_test_that_a_document_names_is_there(document: Path) -> None:
    for name in re.findall(r"`((?:tests/|stories/|test_)[\w./-]*)`", words_of(document)):
        assert list(ROOT.glob(f"tests/**/{name.removeprefix('tests/').rstrip('/')}")), name
