"""One colour and one pattern for each version throughout: safe for colour-blind readers, clear in grey too.

Colours: Okabe and Ito's palette.
"""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """How a name is drawn: a colour and a hatch of matplotlib."""

    colour: str
    hatch: str


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
    """The look of each name; the pods of a version look like it while each version has one."""
    found: dict[str, Look] = {}
    spare = iter(OTHERS * (1 + len(names) // len(OTHERS)))
    for name in names:
        version = name if name in KNOWN else version_of.get(name, "")
        look = KNOWN.get(version)
        found[name] = look if look and look not in found.values() else next(spare)
    return found
