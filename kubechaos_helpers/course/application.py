"""The sample application as its visitors see it, and the learner's own version of it in ``my/images``."""

from __future__ import annotations

import ast
import html
import http.client
import json
import re
import time
from pathlib import Path
from typing import NamedTuple

from kubechaos_helpers import endpoints
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import shipped

TIMEOUT_SECONDS = 2.0
# A pod without a readiness probe is in the Service before its program listens: so long it is waited for.
START_SECONDS, POLL_SECONDS = 5.0, 0.1
# One of nine surprises stays unheard in so many pages about once in a hundred million times.
PAGES = 160
PARTS = {
    "title": r"<h1>(.*?)</h1>",
    "message": r"</h1>\s*<p>(.*?)</p>",
    "version": r"Version: <strong>(.*?)</strong>",
    "tag": r"Version: <strong>.*?</strong> \((.*?)\)",
}


class Seen(NamedTuple):
    """What a page says. A part that it does not have is empty."""

    title: str
    message: str
    version: str
    tag: str


def see(cluster: Cluster, service: str) -> Seen:
    """Open a Service's page once. CourseError when nobody answers."""
    page = _pages(cluster, service, "", 1)[0]
    found = {part: re.search(pattern, page, re.DOTALL) for part, pattern in PARTS.items()}
    return Seen(**{part: html.unescape(match[1]).strip() if match else "" for part, match in found.items()})


def surprises(cluster: Cluster, service: str) -> set[str]:
    """The surprises that one visitor of a Service gets in many pages; CourseError when nobody answers."""
    answers = _pages(cluster, service, "?format=json", PAGES)
    try:
        return {str(json.loads(answer)["surprise"]) for answer in answers}
    except (ValueError, KeyError, TypeError):
        raise CourseError(
            f"What answers behind {service} is not the sample application. See what runs: kubectl get pods"
        ) from None


def _pages(cluster: Cluster, service: str, path: str, number: int) -> list[str]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return _pages_now(cluster, service, path, number)
        except (OSError, http.client.HTTPException) as error:
            is_listed = any(is_ready for *_, is_ready in endpoints.of(cluster, service))
            if not is_listed or time.monotonic() > deadline:
                raise CourseError(
                    f"Nobody answers behind {service} ({error}). See whether a pod is ready: kubectl get pods"
                ) from None
        time.sleep(POLL_SECONDS)


def _pages_now(cluster: Cluster, service: str, path: str, number: int) -> list[str]:
    way = cluster.way(service)
    connection = way.connection(TIMEOUT_SECONDS)
    try:
        return [_page(connection, way.path + path, way.credentials.headers) for _ in range(number)]
    finally:
        connection.close()


def _page(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> str:
    connection.request("GET", path, headers=headers)
    return connection.getresponse().read().decode("utf-8", "replace")


# --- the learner's own version


def settings(folder: Path) -> dict[str, object]:
    """What ``surprises.py`` in a build context sets. CourseError with the line when it is no Python."""
    file = folder / "surprises.py"
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        raise CourseError(
            f"Line {error.lineno} of {file.parent.name}/{file.name} is not Python ({error.msg}). Mend that line."
        ) from None
    except (OSError, ValueError) as error:
        raise CourseError(f"{file} cannot be read ({error}). Copy it again from the course's images/custom.") from None
    return {name.id: _value(each.value) for each in body if isinstance(each, ast.Assign) for name in _names(each)}


def own_surprises(found: set[str]) -> set[str]:
    """Those of them that the course did not bring."""
    folders = (shipped("images/original"), shipped("images/custom"))
    return found - {str(each) for folder in folders for each in _list(settings(folder).get("SURPRISES"))}


def surprises_in(folder: Path) -> set[str]:
    """The surprises in a build context's ``surprises.py``."""
    return {str(each).strip() for each in _list(settings(folder).get("SURPRISES"))}


def _names(assignment: ast.Assign) -> list[ast.Name]:
    return [each for each in assignment.targets if isinstance(each, ast.Name)]


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # computed, which is fine for the program and unknown to us
        return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
