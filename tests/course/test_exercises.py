"""Every exercise asks for something: its check fails where its section begins, and on an empty cluster."""

from __future__ import annotations

import json
import re

import pytest
from acts import Found, nothing

from kubechaos_helpers.course import exercise
from kubechaos_helpers.course.pages import all_pages
from kubechaos_helpers.files import shipped


def sections() -> dict[str, str]:
    """The section in which each exercise is checked, as the notebooks have it."""
    found, section = {}, ""
    for page in all_pages():
        for cell in json.loads(shipped(f"notebooks/{page.notebook}").read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if heading := re.match(r"## (\d\d\.\d+) ", source):
                section = heading[1]
            elif cell["cell_type"] == "code":
                found |= dict.fromkeys(re.findall(r'check\("(.*?)"', source), section)
    return found


SECTIONS = sections()


def test_every_exercise_is_checked_in_a_section() -> None:
    assert sorted(SECTIONS) == sorted(exercise.all_exercises())


@pytest.mark.parametrize("identity", exercise.all_exercises())
@pytest.mark.parametrize("place", ["where its section begins", "on an empty cluster"])
def test_a_check_fails(found: Found, identity: str, place: str) -> None:
    section = SECTIONS[identity] if place.startswith("where") else ""
    assert found(identity, section, nothing) != ""
