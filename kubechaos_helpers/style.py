"""One colour and one pattern for each version throughout: safe for colour-blind readers, clear in grey too.

Colours: Okabe and Ito's palette.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple


class Look(NamedTuple):
    """How a name is drawn: a colour, a hatch of matplotlib, and the colour of lines and hatch."""

    colour: str
    hatch: str
    line: str = "black"


# Requests that nobody answered.
FAILED = Look("black", "xxx", "white")
KNOWN = {"original": Look("#56b4e9", "//"), "custom": Look("#e69f00", "..")}
OTHERS = (
    Look("#009e73", "xx"),
    Look("#cc79a7", "--"),
    Look("#f0e442", "\\\\"),
    Look("#0072b2", "++"),
    Look("#d55e00", "oo"),
    Look("#999999", "||"),
)


def looks(names: list[str], version_of: dict[str, str]) -> dict[str, Look]:
    """The look of each name. A pod looks like its version; what has no known version gets a look of its own."""
    spare = itertools.cycle(OTHERS)
    found: dict[str, Look] = {}
    for name in names:
        version = version_of.get(name, name)
        found[name] = KNOWN.get(version) or next(spare)
    return found
