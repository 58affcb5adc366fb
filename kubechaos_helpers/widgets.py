"""What live widgets share: how they show themselves, how they end, and that only one of a kind is alive."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

TEXT_STYLE = "color: var(--jp-ui-font-color1)"
JOIN_SECONDS = 10.0


def mimebundle(widget: Any, text: str) -> dict[str, Any]:
    """A widget where widgets are shown, and one fixed text elsewhere: a widget's own text changes all the time."""
    view: dict[str, Any] = widget._repr_mimebundle_()
    return {**view, "text/plain": text}


def show_state(widget: Any, sentence: str) -> None:
    """Put a sentence into an HTML widget, if it is a new one. Screen readers say it."""
    text = f'<span role="status" style="{TEXT_STYLE}">{html.escape(sentence)}</span>'
    if widget.value != text:
        widget.value = text


class Background:
    """Work on one thread beside the kernel: until it is done, ``stop``, its time, or until the same begins again.

    Only the newest of a name works: it asks the one before it to end, and begins when that has ended.
    """

    _newest: ClassVar[dict[str, Background]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str, work: Callable[[Background], None], seconds: float) -> None:
        self._name, self._work, self._seconds = name, work, seconds
        self._is_stopped = False
        self._woken = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"kubechaos {name}", daemon=True)
        with Background._lock:
            self._previous = Background._newest.get(name)
            Background._newest[name] = self

    def start(self) -> None:
        """Begin. Returns at once, also while the one before is still ending."""
        if self._previous:
            self._previous.ask_to_stop()
        self._thread.start()

    def _run(self) -> None:
        try:
            if self._previous:
                self._previous.join()
                self._previous = None
            self._deadline = time.monotonic() + self._seconds
            self._work(self)
        finally:
            with Background._lock:
                if Background._newest.get(self._name) is self:
                    del Background._newest[self._name]

    @property
    def is_own_thread(self) -> bool:
        """Whether it is the work itself that asks."""
        return threading.current_thread() is self._thread

    @property
    def is_over(self) -> bool:
        return self._is_stopped or time.monotonic() >= self._deadline or self._has_ended

    @property
    def _has_ended(self) -> bool:
        return self._thread.ident is not None and not self._thread.is_alive()

    @property
    def was_stopped(self) -> bool:
        return self._is_stopped

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end or a ``wake``."""
        self._woken.wait(max(0.0, min(seconds, self._deadline - time.monotonic())))
        self._woken.clear()

    def wake(self) -> None:
        """End a pause."""
        self._woken.set()

    def ask_to_stop(self) -> None:
        """Have the work end soon. For callbacks: nobody waits."""
        self._is_stopped = True
        self._woken.set()

    def join(self) -> None:
        if self._thread.ident is not None and not self.is_own_thread:
            self._thread.join(JOIN_SECONDS)

    def stop(self) -> None:
        """Have the work end, and wait for that."""
        self.ask_to_stop()
        self.join()
