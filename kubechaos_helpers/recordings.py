"""Recordings of a real kube-proxy, made with this course's prober. ``recordings/README.md`` says how."""

from __future__ import annotations

import gzip
import json

from kubechaos_helpers.course.files import course_root
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.visits import Visit, Visits


def recording(name: str) -> Visits:
    """The visits of ``recordings/NAME.json.gz``; CourseError when there is no such recording."""
    folder = course_root() / "recordings"
    path = folder / f"{name}.json.gz"
    if not path.exists():
        known = ", ".join(sorted(each.name.removesuffix(".json.gz") for each in folder.glob("*.json.gz")))
        raise CourseError(f"There is no recording called {name!r}. There are: {known or 'none'}.")
    with gzip.open(path, "rt") as file:
        content = json.load(file)
    pods = content["pods"]
    visits = [
        Visit(start, 0.0, 0, index, 1, pods[pod], 200, 0, "") for index, (start, pod) in enumerate(content["visits"])
    ]
    return Visits(visits, content["version_of"])
