"""Running the prober in its own process, and taking in what it sees while it sees it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from kubechaos_helpers import resting_ports
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.probe_job import Job, Row
from kubechaos_helpers.visits import Visit, Visits

# A prober that was told to stop says what it has within milliseconds; after so long it is killed.
STOP_SECONDS = 0.5
SAFE_IN_PATHS = "/?&=%:@!$'()*+,;~"

Progress = Callable[[int], None]


class RunningProbe:
    """A probe under way in its own process; its visits arrive on a thread of its own.

    ``on_batch`` is called there with the number of visits so far. ``wait`` or ``stop`` must be called in the end: after
    either, neither process nor thread is left. ``look_up`` gives the versions of pods that came meanwhile.
    """

    def __init__(
        self,
        job: Job,
        version_of: Mapping[str, str] | None = None,
        on_batch: Progress | None = None,
        look_up: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.version_of = dict(version_of or {})
        self._look_up = look_up
        self._on_batch = on_batch
        self._seen: list[Visit] = []
        self._started = 0.0
        self._is_finished = self._is_stopped = False
        self._trouble: Exception | None = None
        self._process = _start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(replace(job, resting=resting_ports.resting()).line() + "\n")
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            content = json.loads(line)
            self._started = content.get("started", self._started)
            self._is_finished = content.get("done", False)
            self._seen += visits_in(content)
            resting_ports.rest(content.get("unheard", ()))
            self._tell(len(self._seen))

    def _tell(self, number: int) -> None:
        """Call back; a callback that fails is not called again, and ``wait`` or ``stop`` raises what it raised."""
        if self._on_batch is None or self._trouble:
            return
        try:
            self._on_batch(number)
        except Exception as error:
            self._trouble = error

    @property
    def visits(self) -> Visits:
        """What has been seen so far."""
        is_interrupted = not self._is_finished and not self.is_running
        return Visits(list(self._seen), self.version_of, is_interrupted, self._started)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> Visits:
        """Wait for the probe's end. An interrupt stops it and keeps what it saw."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._is_stopped = True
        return self._end()

    def stop(self) -> Visits:
        """End the probe now; what it saw until then."""
        self._is_stopped = True
        return self._end()

    def _end(self) -> Visits:
        try:
            if self.is_running:
                self._process.terminate()
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        complaint = self._close_pipes()
        if self._trouble:
            raise self._trouble
        if not self._is_finished and not self._is_stopped:
            raise CourseError(f"The prober ended too early: {complaint or 'it was killed'}. Run the cell again.")
        with contextlib.suppress(CourseError):  # what was seen counts, also when the cluster has gone meanwhile
            self.version_of = {**self._look_up(), **self.version_of}
        return self.visits

    def _close_pipes(self) -> str:
        """Close them; the last line of what the child complained of."""
        process = self._process
        if process.stderr is None or process.stderr.closed:
            return ""
        complaints = process.stderr.read().splitlines()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        return complaints[-1] if complaints else ""


def visits_in(content: Mapping[str, Any]) -> list[Visit]:
    """The visits that one line of a prober tells of."""
    return [Visit(*Row(*row)) for row in content.get("visits", ())]


def _start() -> subprocess.Popen[str]:
    """The child, in a session of its own: Ctrl+C is for the one who waits. It ends when this process does."""
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        # -P: what lies in the notebook's folder must not stand in for the standard library
        [sys.executable, "-P", "-m", "kubechaos_helpers.prober"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def probe_url(url: str, version_of: Mapping[str, str] | None = None, **options: Any) -> Visits:
    """Visit a URL and wait for the end; ``options`` are the fields of Job."""
    return RunningProbe(job_for(url, **options), version_of).wait()


def job_for(url: str, **options: Any) -> Job:
    """The job for a URL; CourseError for what is no URL or no number."""
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise CourseError(f"{url!r} is not an address that can be visited. It must look like http://127.0.0.1:30080.")
    path = urllib.parse.quote(
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe="/?&=%:@!$'()*+,;~"
    )
    tls = parts.scheme == "https"
    try:
        job = Job(host=parts.hostname, port=port or (443 if tls else 80), path=path, tls=tls, **options)
    except TypeError:
        unknown = ", ".join(sorted(set(options) - set(Job.__dataclass_fields__)))
        known = ", ".join(
            each for each in Job.__dataclass_fields__ if each not in ("host", "port", "tls", "credentials", "resting")
        )
        raise CourseError(f"A probe has no option {unknown}. It has {known}.") from None
    _check(job)
    return job


LEAST = {"visitors": 1, "requests": 0, "rate": 0, "pause": 0, "duration": 0}


def _check(job: Job) -> None:
    for name, least in LEAST.items():
        value = getattr(job, name)
        is_number = isinstance(value, int) or (isinstance(value, float) and name not in ("visitors", "requests"))
        if not is_number or value < least:
            kind = "whole number" if name in ("visitors", "requests") else "number"
            raise CourseError(f"{name} must be a {kind} of at least {least}, not {value!r}.")
    if not isinstance(job.timeout, (int, float)) or job.timeout <= 0:
        raise CourseError(f"timeout must be a number of seconds above 0, not {job.timeout!r}.")
    if not job.requests and not job.duration:
        raise CourseError("Say how many requests each visitor makes, or for how many seconds (duration).")
