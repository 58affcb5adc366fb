"""Recordings of a real kube-proxy, made with this course's prober. ``recordings/README.md`` says how."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import course_root
from kubechaos_helpers.visits import Visit, Visits

SUFFIX = ".json.gz"


def recording(name: str) -> Visits:
    """The visits of ``recordings/NAME.json.gz``; CourseError when there is no such recording."""
    folder = course_root() / "recordings"
    path = folder / f"{name}{SUFFIX}"
    if not path.exists():
        known = ", ".join(sorted(each.name.removesuffix(SUFFIX) for each in folder.glob(f"*{SUFFIX}")))
        raise CourseError(f"There is no recording called {name!r}. There are: {known or 'none'}.")
    return load(path)


def load(path: Path) -> Visits:
    """The visits in a file that ``save`` made."""
    with gzip.open(path, "rt") as file:
        content = json.load(file)
    names = content["pods"]
    rows = (Visit._make(row) for row in content["visits"])
    visits = [row._replace(pod=names[int(row.pod)]) for row in rows]
    return Visits(visits, content["version_of"], started=content["started"])


def save(path: Path, visits: Visits, about: Mapping[str, str]) -> None:
    """Write visits with what one must know ``about`` them; pods as numbers in a list, since names are long."""
    names = sorted({visit.pod for visit in visits})
    numbers = {name: number for number, name in enumerate(names)}
    content = {
        "about": dict(about),
        "started": visits.started,
        "version_of": visits.version_of,
        "pods": names,
        "columns": Visit._fields,
        "visits": [visit._replace(pod=str(numbers[visit.pod])) for visit in visits],
    }
    text = json.dumps(content, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
