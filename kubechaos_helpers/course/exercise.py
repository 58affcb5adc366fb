"""Exercises: a check that looks at the live cluster, three hints, and the solution from the tested notebook.

A check is a function of a Look that yields what is not as it should be, each with one next step; the learner reads the
first. It passes when it yields nothing for two seconds.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubechaos_helpers.connect import connected
from kubechaos_helpers.course import pages, record
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import shipped
from kubechaos_helpers.widgets import TEXT_STYLE, mimebundle

HOLD_SECONDS = 2.0
PAUSE_SECONDS = 0.25
# How long something may look wrong: in a cluster at rest, where a kube-proxy that is not ours follows later; and in one
# that is at work, since the last change that could be seen, and altogether.
MOMENT_SECONDS, OTHERS_MOMENT_SECONDS = 0.2, 3.0
PATIENCE_SECONDS, LONGEST_SECONDS = 6.0, 60.0

Check = Callable[[Look], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Exercise:
    """``done`` is what one has learned when the check passes; the first of the hints names a live value."""

    identity: str
    gaps: Check
    done: str
    live_hint: Callable[[Look], str]
    hints: tuple[str, str]


_exercises: dict[str, Exercise] = {}


def exercise(
    identity: str, done: str, live_hint: Callable[[Look], str], where: str, field: str
) -> Callable[[Check], Check]:
    """Make a function of a Look the check of an exercise. Hints: what is live, where to look, and which field."""

    def register(gaps: Check) -> Check:
        _exercises[identity] = Exercise(identity, gaps, done, live_hint, (where, field))
        return gaps

    return register


def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its identity, in the order of the pages."""
    from kubechaos_helpers.course import exercises  # it registers them, and needs this module

    assert exercises
    return dict(sorted(_exercises.items()))


def find(identity: str) -> Exercise:
    """CourseError for one that does not exist."""
    known = all_exercises()
    if identity not in known:
        raise CourseError(f"There is no exercise {identity!r}; there are: {', '.join(known)}.")
    return known[identity]


def check(identity: str, answer: Any = None) -> None:
    """Look at the live cluster and print what it found: that the exercise is done, or one next step."""
    found, cluster = find(identity), connected()
    gap = _or_why_not(identity, lambda: first_gap(found, Look(cluster, answer)))
    if gap:
        print("\n".join([f"Not yet. {gap}", *cluster.troubles()]))
        return
    record.keep("exercises", identity, True)
    print(f"Done. {found.done}")


def first_gap(
    found: Exercise,
    look: Look,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """The first thing that is not right, or ``""`` when all has been right for two seconds.

    While the cluster is visibly at work it is looked at again, however slow the machine is.
    """
    began = changed = clock()
    right_since = at_rest_since = None
    state = look.state()
    while True:
        gap = _gap(found, look)
        now = clock()
        right_since = None if gap else right_since or now
        if right_since and now >= right_since + HOLD_SECONDS:
            return ""
        at_rest_since = (at_rest_since or now) if gap and look.is_settled() else None
        if at_rest_since and now >= at_rest_since + _moment(look):
            return gap
        if gap and not at_rest_since and (now >= changed + PATIENCE_SECONDS or now >= began + LONGEST_SECONDS):
            return gap
        sleep(PAUSE_SECONDS)
        look = look.again(anew=bool(gap) and not look.cluster.is_own)
        before, state = state, look.state()
        if state != before:
            changed = clock()


def _moment(look: Look) -> float:
    return MOMENT_SECONDS if look.cluster.is_own else OTHERS_MOMENT_SECONDS


def _gap(found: Exercise, look: Look) -> str:
    """The first gap; also what kept the check from looking, such as a page that does not answer yet."""
    try:
        return next(found.gaps(look), "")
    except CourseError as error:
        return str(error)


# --- hints


class Hints:
    """Three hints and the solution, all folded."""

    def __init__(self, of: Exercise, first: str) -> None:
        import ipywidgets

        self.texts = [first, *of.hints, solution(of.identity)]
        titles = ("Hint 1: what the cluster shows", "Hint 2: where to look", "Hint 3: the field", "Solution")
        tags = ("p", "p", "p", "pre")
        folded = [ipywidgets.HTML(_shown(text, tag)) for text, tag in zip(self.texts, tags, strict=True)]
        self._accordion = ipywidgets.Accordion(folded, titles=titles, selected_index=None)
        self._text = f"Hints for exercise {of.identity}: open one after the other."

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._accordion, self._text)


def hints(identity: str) -> Hints:
    """Hints for an exercise. The first says what the cluster shows now: run the cell again for what it shows then."""
    found = find(identity)
    return Hints(found, _or_why_not(identity, lambda: found.live_hint(Look(connected()))))


def _or_why_not(identity: str, look: Callable[[], str]) -> str:
    """What was seen, or the sentence for what kept one from looking."""
    try:
        return look()
    except CourseError as error:
        return str(error)
    except Exception as error:  # whatever a learner made of the cluster, it is answered with a sentence
        return _beyond(identity, error)


def _beyond(identity: str, error: Exception) -> str:
    """That the cluster is in a state which an exercise does not know, and what to do then."""
    return (
        f"Exercise {identity} cannot judge what it found ({type(error).__name__}: {error}). That is our mistake: please"
        " report it with what you did before. To go on, run catch_me_up of this section and try again."
    )


def _shown(text: str, tag: str) -> str:
    return f'<{tag} style="{TEXT_STYLE}">{html.escape(text)}</{tag}>'


def solution(identity: str) -> str:
    """The cells of the tested notebook that solve an exercise: ``exercise`` in their metadata is its identity."""
    notebook = shipped(f"notebooks/{pages.page(identity.partition('.')[0]).notebook}")
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found = ["".join(cell["source"]) for cell in cells if cell["metadata"].get("exercise") == identity]
    return "\n".join(found)
