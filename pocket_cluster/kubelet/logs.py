"""Reading what containers wrote (the files are ``container_log``'s)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pocket_cluster.api.objects import Object, parse_time
from pocket_cluster.paths import inside

# A follower looks this often for more: what writes the file does not know its readers.
FOLLOW_SECONDS = 0.1
WAITING_WORDS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class LogError(Exception):
    """There is no log to read; the text is the real kubelet's."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log to give: the fields of PodLogOptions."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None


OLDEST_SECONDS = 10 * 365 * 24 * 3600  # no line is older


def options_from(query: Mapping[str, str]) -> LogOptions:
    """Read the query of a request for a log; ValueError when a number or a time is none."""
    since = parse_time(query["sinceTime"]) if query.get("sinceTime") else None
    if query.get("sinceSeconds"):
        since = datetime.now(UTC) - timedelta(seconds=max(0, min(int(query["sinceSeconds"]), OLDEST_SECONDS)))
    return LogOptions(
        follow=query.get("follow") in ("true", "1"),
        previous=query.get("previous") in ("true", "1"),
        timestamps=query.get("timestamps") in ("true", "1"),
        tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
        limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        since=since,
    )


def path_of(pod_folder: Path, container: str, attempt: int) -> Path:
    """The log of a container's n-th process, counted from 0."""
    return inside(pod_folder / "logs", container) / f"{attempt}.log"


def remove_older(path: Path, attempt: int) -> None:
    """Keep the log of the process before this one, and no older ones."""
    for old in path.parent.glob("*.log*"):
        if int(old.name.partition(".")[0]) < attempt - 1:
            old.unlink(missing_ok=True)


def attempt_to_read(status: Object | None, pod: str, container: str, previous: bool) -> int:
    """Which process's log is meant (pkg/kubelet/kubelet_pods.go, validateContainerLogStatus)."""
    if status is None:
        raise LogError(f'container "{container}" in pod "{pod}" is not available')
    state, count = status.get("state") or {}, int(status.get("restartCount", 0))
    ended_before = (status.get("lastState") or {}).get("terminated")
    if previous:
        if not ended_before:
            raise LogError(f'previous terminated container "{container}" in pod "{pod}" not found')
        return count if "waiting" in state else count - 1
    if "waiting" in state and not ended_before:
        reason = state["waiting"].get("reason", "")
        raise LogError(
            f'container "{container}" in pod "{pod}" is waiting to start: {WAITING_WORDS.get(reason, reason)}'
        )
    return count


async def read(path: Path, options: LogOptions, goes_on: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log as kubectl shows it; with ``follow`` until ``goes_on`` is false and all is read."""
    left = options.limit_bytes
    async for chunk in _chunks(path, options, goes_on):
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        yield chunk
        if left == 0:
            return


async def _chunks(path: Path, options: LogOptions, goes_on: Callable[[], bool]) -> AsyncIterator[bytes]:
    position = path.stat().st_size if path.exists() else 0
    present = b"".join(_shown(_tail(_entries(path, position), options), options))
    if present:
        yield present
    while options.follow:
        last_look = not goes_on()
        size = path.stat().st_size if path.exists() else 0
        if size < position:  # rotated
            position = 0
        if size > position:
            yield b"".join(_shown(_lines(_read_part(path, position, size)), options))
            position = size
        elif last_look:
            return
        else:
            await asyncio.sleep(FOLLOW_SECONDS)


def _read_part(path: Path, start: int, end: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(end - start)


def _entries(path: Path, size: int) -> Iterator[bytes]:
    """The lines of the file as they stand there, of the rotated one first."""
    for file, limit in ((path.with_name(path.name + ".1"), -1), (path, size)):
        with contextlib.suppress(FileNotFoundError), open(file, "rb") as content:
            yield from _lines(content.read(limit))


def _lines(content: bytes) -> Iterator[bytes]:
    return (line + b"\n" for line in content.split(b"\n") if line)


def _tail(entries: Iterator[bytes], options: LogOptions) -> Iterator[bytes]:
    if options.since:
        threshold = options.since.strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
        entries = (entry for entry in entries if entry[:26] >= threshold)
    if options.tail_lines is None:
        return entries
    return iter(deque(entries, options.tail_lines) if options.tail_lines else ())


def _shown(entries: Iterator[bytes], options: LogOptions) -> Iterator[bytes]:
    for entry in entries:
        stamp, _, tag, text = entry.split(b" ", 3)
        if tag == b"P":  # the line goes on in the next entry
            text = text[:-1]
        yield stamp + b" " + text if options.timestamps else text


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log without their times."""
    entries = _tail(_entries(path, -1), LogOptions(tail_lines=count))
    return [text.decode(errors="replace") for text in _shown(entries, LogOptions())]
