"""How many visits the course's prober makes in a second, as a share of what `hey` makes of the same server.

    python benchmarks/prober.py [--seconds 3] [--rounds 3]

`wrk` is printed beside them. Two servers: one that does nothing but answer, and the course's sample application.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable

from relay import BARE, ROOT, SAMPLE, _number, fresh_per_second, kept_alive_per_second, running

from kubechaos_helpers.running_probe import probe_url

VISITORS = 20


def prober(address: tuple[str, int], seconds: float, keep_alive: bool) -> float:
    """Answered visits a second, by the prober's own clock: its start-up is not counted."""
    url = "http://{}:{}/".format(*address)
    visits = probe_url(url, visitors=VISITORS, requests=0, duration=seconds, keep_alive=keep_alive)
    if visits.errors:
        print(f"errors: {visits.errors}")
    return len(visits.answered) / max(visit.start + visit.seconds for visit in visits)


def hey(address: tuple[str, int], seconds: float, keep_alive: bool) -> float:
    if not keep_alive:
        return fresh_per_second(address, seconds)
    command = ["hey", "-z", f"{seconds}s", "-c", str(VISITORS), "http://{}:{}/".format(*address)]
    return _number(command, r"Requests/sec:\s+([\d.]+)")


def wrk(address: tuple[str, int], seconds: float, keep_alive: bool) -> float:
    if keep_alive:
        return kept_alive_per_second(address, seconds)
    command = ["wrk", "-t1", f"-c{VISITORS}", f"-d{seconds:.0f}s", "-H", "Connection: close"]
    return _number([*command, "http://{}:{}/".format(*address)], r"Requests/sec:\s+([\d.]+)")


def compare(name: str, address: tuple[str, int], rounds: int, seconds: float) -> None:
    """All three in turn; medians of the rounds."""
    tools: tuple[Callable[..., float], ...] = (prober, hey, wrk)
    for keep_alive in (False, True):
        figures = [[tool(address, seconds, keep_alive) for tool in tools] for _ in range(rounds)]
        ratio = statistics.median(ours / theirs for ours, theirs, _ in figures)
        ours, theirs, other = (statistics.median(column) for column in zip(*figures, strict=True))
        what = "kept alive" if keep_alive else "fresh"
        text = (
            f"{name:19} {what:11} prober {ours:6.0f}/s  hey {theirs:6.0f}/s  wrk {other:6.0f}/s  prober/hey {ratio:.2f}"
        )
        print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with running([sys.executable, str(ROOT / "benchmarks" / "relay.py"), "bare", "0"], BARE):
        compare("bare server", BARE, options.rounds, options.seconds)
    with running(["env", f"PORT={SAMPLE[1]}", sys.executable, "app.py"], SAMPLE, ROOT / "images" / "original"):
        compare("sample application", SAMPLE, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
