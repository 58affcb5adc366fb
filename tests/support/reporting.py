"""What a run shows beside pytest's own: what is through, what could not be checked here, what the inventory says.

It lives in the process that people look at, not in xdist's workers.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import inventory
import pytest

Numbers = defaultdict[str, Counter[str]]


class Report:
    """With ``--by-unit`` one line for each unit instead of a dot for each test; always the rest."""

    def __init__(self, config: pytest.Config) -> None:
        self._options = config.option
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._expected: dict[str, float] = {}
        self._began = time.monotonic()
        self._nodeids: Sequence[str] = ()
        self._wanted: Counter[str] = Counter()
        self._done: defaultdict[str, set[str]] = defaultdict(set)
        self._outcomes: Numbers = defaultdict(Counter)
        self._seconds: defaultdict[str, float] = defaultdict(float)

    # --- what is run

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._want([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self._want(ids)

    def _want(self, nodeids: Sequence[str]) -> None:
        if self._wanted or not nodeids:  # each of xdist's workers says it
            return
        self._nodeids = nodeids
        self._wanted = Counter(map(inventory.unit_of, nodeids))
        self._expected = inventory.seconds_of(self._wanted)
        if self._options.by_unit:
            self._say(f"{len(nodeids)} tests in {len(self._wanted)} files and pages")

    # --- what is through

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """With ``--by-unit``: counted and named at the end as ever, but no dot."""
        if not self._options.by_unit:
            return None
        if report.when == "call" or report.outcome == "skipped":
            return report.outcome, "", report.outcome.upper()
        return ("error", "", "ERROR") if report.outcome == "failed" else ("", "", "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        unit = inventory.unit_of(report.nodeid)
        self._seconds[unit] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[unit][report.outcome] += 1
        if self._options.by_unit and report.outcome == "failed":
            self._say(f"failed: {report.nodeid}", red=True)
        if report.when == "teardown":
            self._done[unit].add(report.nodeid)
            if self._options.by_unit and len(self._done[unit]) == self._wanted[unit]:
                outcomes = ", ".join(f"{number} {outcome}" for outcome, number in sorted(self._outcomes[unit].items()))
                self._say(f"{self._progress():<24}{unit}: {outcomes}")

    def _progress(self) -> str:
        """How much is through, by what each unit took when that was measured, and how long the rest takes."""
        whole = part = 0.0
        for unit, weight in self._expected.items():
            whole += weight
            part += weight * len(self._done[unit]) / self._wanted[unit]
        left = (time.monotonic() - self._began) * (whole / part - 1) if part else 0.0
        return f"{part / (whole or 1):4.0%}, about {_minutes(left)} left"

    def _say(self, line: str, **markup: bool) -> None:
        self._terminal.ensure_newline()
        self._terminal.write_line(line, **markup)

    # --- what is said at the end

    def pytest_terminal_summary(self) -> None:
        for line in [*self._what_was_skipped(), *self._what_was_left_out()]:
            self._say(line)
        if self._are_all and self._options.write_inventory:
            inventory.write(self._nodeids, self._seconds)
        for line in self._differences():
            self._say(line, red=True)

    def _what_was_skipped(self) -> list[str]:
        """Once for each thing that is missing: how many tests it cost, what it is, and how to get it."""
        reasons: Counter[str] = Counter()
        for report in self._terminal.stats.get("skipped", ()):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reasons[reason.removeprefix("Skipped: ")] += 1
        return [f"{number} tests were not run: {reason}" for reason, number in reasons.most_common()]

    def _what_was_left_out(self) -> list[str]:
        slow = {unit: each for unit, each in inventory.known_units().items() if each.seconds > inventory.QUICK_SECONDS}
        if not self._options.quick:
            return []
        tests = sum(each.tests for each in slow.values())
        files = sorted({unit.partition("[")[0] for unit in slow})
        return [f"Left out, since they take longer: {tests} tests in {', '.join(files)}. All: python3 lab.py test"]

    @property
    def _are_all(self) -> bool:
        return bool(self._options.by_unit and not self._options.quick and self._nodeids)

    def _differences(self) -> list[str]:
        """From the inventory, of a run of all tests in the gate: on other systems some tests have fewer cases."""
        is_compared = self._are_all and os.environ.get("KUBECHAOS_NO_SKIP")
        return inventory.differences(self._nodeids) if is_compared else []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A number that differs is a failure."""
        if self._differences():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
