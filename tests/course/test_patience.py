"""A check waits as long as the cluster is visibly at work, however slow the machine is: on a clock of the test's."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kubechaos_helpers.course import exercise
from kubechaos_helpers.course.exercise import Exercise, first_gap


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class SlowCluster:
    """Looks at a cluster that changes every ``every`` seconds until ``ready``, and rests from ``rests`` on."""

    def __init__(
        self, clock: Clock, every: float, ready: float, rests: float | None = None, is_own: bool = True
    ) -> None:
        self._clock, self._every, self._ready, self._rests = clock, every, ready, rests
        self.cluster = SimpleNamespace(is_own=is_own)
        self._moment = clock() - Clock.now

    def again(self, anew: bool = False) -> SlowCluster:
        return SlowCluster(self._clock, self._every, self._ready, self._rests, self.cluster.is_own)

    def state(self) -> int:
        return int(min(self._moment, self._ready) / self._every)

    def is_settled(self) -> bool:
        return self._moment >= (self._ready if self._rests is None else self._rests)

    def gap(self) -> Iterator[str]:
        if self._moment < self._ready:
            yield "One pod is not ready."


EXERCISE = Exercise("00.1", lambda look: look.gap(), "", lambda look: "", ("", ""))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "gap", "after"),
    [
        ({"every": 1.0, "ready": 0.0}, "", 2.0),
        ({"every": 5.0, "ready": 40.0}, "", 42.0),
        ({"every": 1000.0, "ready": 40.0}, "One pod is not ready.", 6.0),
        ({"every": 5.0, "ready": 1000.0}, "One pod is not ready.", 60.0),
        ({"every": 1.0, "ready": 1000.0, "rests": 0.0}, "One pod is not ready.", 0.25),
        ({"every": 1.0, "ready": 1000.0, "rests": 0.0, "is_own": False}, "One pod is not ready.", 3.0),
        ({"every": 5.0, "ready": 41.0, "rests": 40.0, "is_own": False}, "", 43.0),  # kube-proxy follows a second later
    ],
)
def test_how_long_a_check_waits(options: dict[str, Any], gap: str, after: float) -> None:
    clock = Clock()
    assert first_gap(EXERCISE, SlowCluster(clock, **options), clock, clock.sleep) == gap  # type: ignore[arg-type]
    assert clock.now - Clock.now == pytest.approx(after, abs=0.3)


def test_what_is_not_yet_so_comes_with_what_is_broken_in_the_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = SimpleNamespace(troubles=lambda: ["The runtime does not stay up."])
    monkeypatch.setattr(exercise, "connected", lambda: broken)
    monkeypatch.setattr(exercise, "first_gap", lambda *_: "One pod is not ready.")
    exercise.check(next(iter(exercise.all_exercises())))
    assert capsys.readouterr().out == "Not yet. One pod is not ready.\nThe runtime does not stay up.\n"
