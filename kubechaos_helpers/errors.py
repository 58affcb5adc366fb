"""The one kind of error that a learner meets: a sentence with a next step."""

from __future__ import annotations

from kubechaos_helpers.printing import fold


class CourseError(Exception):
    """What happened, why, and what to do next. Notebooks show the sentence alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback."""
        return [fold(str(self))]
