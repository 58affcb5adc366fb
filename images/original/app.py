"""Kubechaos: a page that says which pod served it, on which connection, with a surprise at each refresh.

    /                a page; with /?format=json, or the header "Accept: application/json", the same for programs
    /healthz         "ok", as long as this program can answer

What it says stands in surprises.py: edit that first, then page.html. Each setting there can also come from the
environment (KUBECHAOS_TITLE=…) or, without a restart, from a ConfigMap mounted on /etc/kubechaos (a file named title).
KUBECHAOS_START_DELAY has the program sleep so many seconds before it listens, as one that loads much data does.
Only Python's standard library: `python3 app.py` runs it anywhere.
"""

import asyncio
import functools
import html
import json
import os
import random
import re
import socket
import string
import time
from contextlib import suppress
from pathlib import Path

import surprises
import web

POD = os.environ.get("HOSTNAME") or socket.gethostname()  # Kubernetes calls a pod's computer by the pod's name
MOUNTED = os.environ.get("KUBECHAOS_SETTINGS", "/etc/kubechaos")
PAGE = string.Template((Path(__file__).parent / "page.html").read_text("utf-8"))
SETTINGS = ("VERSION", "IMAGE_TAG", "TITLE", "MESSAGE", "COLOUR", "PATTERN", "SURPRISES", "DELAY")


def setting(name: str) -> str:
    """A setting from the mounted ConfigMap, else from the environment, else from surprises.py."""
    with suppress(OSError), open(f"{MOUNTED}/{name.lower()}", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    default = getattr(surprises, name)
    return os.environ.get(f"KUBECHAOS_{name}") or ("\n".join(default) if isinstance(default, list) else str(default))


@functools.lru_cache(maxsize=1)
def settings(second: int) -> dict[str, str]:
    """All settings as of that second: a changed ConfigMap shows within one, and not every visit reads files."""
    found = {name: setting(name) for name in SETTINGS}
    if not re.fullmatch(r"#?\w+", found["COLOUR"], re.ASCII):
        found["COLOUR"] = "gray"  # it goes into the page's style sheet, where only a colour belongs
    return found


def surprise(choices: list[str], last: str) -> str:
    """One of them, and not the last one again if there is another."""
    choices = [choice for choice in choices if choice.strip()] or ["No surprise today. That is a surprise too."]
    return random.choice([choice for choice in choices if choice != last] or choices)


async def answer(request: web.Request, connection: web.Connection) -> web.Answer:
    """What the visitor gets."""
    if request.path not in ("/", "/healthz"):
        raise web.Refused(404, "There is nothing here. The page is at /")
    if request.method not in ("GET", "HEAD"):
        raise web.Refused(405, f"{request.method} is not possible here, only GET and HEAD.", {"Allow": "GET, HEAD"})
    if request.path == "/healthz":
        return web.Answer(200, "text/plain; charset=utf-8", "ok\n")
    connection.count_page()
    now = settings(int(time.monotonic()))
    connection.last = surprise(now["SURPRISES"].splitlines(), connection.last)
    with suppress(ValueError):
        await asyncio.sleep(min(60.0, float(now["DELAY"])))
    seen = {
        "pod": POD,
        "version": now["VERSION"],
        "tag": now["IMAGE_TAG"],
        "connection": connection.number,
        "request": connection.pages,
        "surprise": connection.last,
    }
    headers = {"X-Pod": POD, "Vary": "Accept"}
    if "format=json" in request.query.split("&") or wants_json(request.headers.get("accept", "")):
        return web.Answer(200, "application/json", json.dumps(seen) + "\n", headers)
    texts = {name.lower(): html.escape(str(value)) for name, value in {**now, **seen}.items()}
    return web.Answer(200, "text/html; charset=utf-8", PAGE.substitute(texts), headers)


def wants_json(accept: str) -> bool:
    return "application/json" in accept and "text/html" not in accept


if __name__ == "__main__":
    print(f"{POD} is version {setting('VERSION')} ({setting('IMAGE_TAG')})", flush=True)
    time.sleep(float(os.environ.get("KUBECHAOS_START_DELAY", "0")))
    web.run(answer)
