"""What is told of two clusters' answers: each case that differs, and the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from . import compare
from .cases import Case, Step
from .vocabulary import Object

LONGEST = 1500
ALIKE, MEANT, DIFFERENT = "alike", "different as documented", "different"


def judged(cases: Iterable[Case], real: list[Any], pocket: list[Any]) -> Counter[str]:
    """How many cases are alike, different as documented, or different; the last are printed."""
    counted: Counter[str] = Counter()
    for case, answer, other in zip(cases, real, pocket, strict=True):
        steps = [step for step in case.steps if not step.until]
        found = [(step, each) for step, *pair in zip(steps, answer, other, strict=True) for each in _differences(*pair)]
        left = [(step, each) for step, each in found if not compare.is_allowed(step.method, step.path, each)]
        counted[DIFFERENT if left else MEANT if found else ALIKE] += 1
        if left:
            print(f"\n{case.name}")
            print("\n".join(line for step, each in left for line in _told(step, each)))
    return counted


def _differences(real: Object, pocket: Object) -> Iterator[compare.Difference]:
    return compare.differences(compare.masked(real), compare.masked(pocket))


def _told(step: Step, difference: compare.Difference) -> Iterator[str]:
    body = step.text if step.text is not None else compare.as_text(step.body)
    yield f"  {step.method} {step.path} {step.query or ''} {step.headers or ''} {body[:LONGEST]}"
    yield f"    at {difference.place}"
    yield f"      real   {compare.as_text(difference.real)[:LONGEST]}"
    yield f"      pocket {compare.as_text(difference.pocket)[:LONGEST]}"


def summary(seed: int, counted: Counter[str]) -> str:
    total = sum(counted.values())
    return f"Seed {seed}, {total} cases: " + ", ".join(f"{counted[word]} {word}" for word in (ALIKE, MEANT, DIFFERENT))
