"""What live widgets share: how they show themselves, how they end, and that only one of a kind is alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

TEXT_STYLE = "color: var(--jp-ui-font-color1)"


def mimebundle(widget: Any, text: str) -> dict[str, Any]:
    """A widget where widgets are shown, and one fixed text elsewhere: a widget's own text changes all the time."""
    view: dict[str, Any] = widget._repr_mimebundle_()
    return {**view, "text/plain": text}


class Background:
    """Work on one thread beside the kernel. It ends at ``stop``, after its time, or when the same is started again."""

    _alive: ClassVar[dict[str, Background]] = {}

    def __init__(self, name: str, work: Callable[[Background], None], seconds: float) -> None:
        previous = Background._alive.get(name)
        if previous:
            previous.stop()
        Background._alive[name] = self
        self._stopped = threading.Event()
        self._deadline = time.monotonic() + seconds
        self._thread = threading.Thread(target=work, args=(self,), name=f"kubechaos {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return self._stopped.is_set() or time.monotonic() >= self._deadline

    @property
    def was_stopped(self) -> bool:
        return self._stopped.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        self._stopped.wait(min(seconds, max(0.0, self._deadline - time.monotonic())))

    def stop(self, seconds: float = 5.0) -> None:
        """Ask the work to end and wait for it."""
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)
