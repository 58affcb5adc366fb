"""A progress bar that notebooks can be checked with: a widget, never a moving line of text."""

from __future__ import annotations

from typing import Any


class Progress:
    """Shows how many of ``total`` visits are done; without a notebook it shows nothing."""

    def __init__(self, total: int) -> None:
        self._bar: Any = None
        if not total or not _in_notebook():
            return
        import ipywidgets
        from IPython.display import display

        self._bar = ipywidgets.IntProgress(max=total, description="Visits")
        display(self._bar)  # type: ignore[no-untyped-call]

    def update(self, done: int) -> None:
        """Called from the prober's thread."""
        if self._bar:
            self._bar.value = done

    def finish(self, done: int) -> None:
        if self._bar:
            self._bar.max = self._bar.value = max(1, done)
            self._bar.bar_style = "success"


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and shell.has_trait("kernel")
