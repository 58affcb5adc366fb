"""What many clients at once cost the API server: patches of one object, and watches that nobody reads.

    python benchmarks/apiserver.py [--clients 16] [--patches 60] [--watches 60]

A cluster of its own is started and ended. Patches of one object by many clients are compared with patches of as many
objects; the memory of unread watches is the growth of the API server's proportional set size (PSS).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import pss

from pocket_cluster import lifecycle
from pocket_cluster.health import noted_processes
from pocket_cluster.home import Home

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MEGABYTE = 1024 * 1024


class Client:
    """One connection with the administrator's token."""

    def __init__(self, home: Home) -> None:
        credentials = home.credentials("admin")
        context = ssl.create_default_context(cafile=credentials.ca_file)
        self.connection = http.client.HTTPSConnection("127.0.0.1", home.api_port, context=context)
        self._headers = {"Authorization": f"Bearer {credentials.token}"}

    def send(self, method: str, path: str, body: object = None, kind: str = "application/json") -> int:
        data = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, data, {**self._headers, "Content-Type": kind})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def begin(self, path: str) -> None:
        """Ask, and do not read the answer."""
        self.connection.request("GET", path, headers=self._headers)


@contextlib.contextmanager
def cluster() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder, "cluster"))
        lifecycle.up(home)
        try:
            yield home
        finally:
            lifecycle.down(home)


def patches_a_second(home: Home, clients: int, patches: int, objects: int) -> tuple[float, int]:
    """How many patches are answered in a second, and how many of all are refused."""
    connections = [Client(home) for _ in range(clients)]
    for number in range(objects):
        connections[0].send("POST", CONFIG_MAPS, {"metadata": {"name": f"patched-{number}"}})

    def patch(number: int) -> int:
        path = f"{CONFIG_MAPS}/patched-{number % objects}"
        body = [{"data": {f"{number}": f"{each}"}} for each in range(patches)]
        kind = "application/merge-patch+json"
        return sum(connections[number].send("PATCH", path, each, kind) != 200 for each in body)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        refused = sum(pool.map(patch, range(clients)))
    return clients * patches / (time.perf_counter() - began), refused


def unread_watches(home: Home, number: int) -> float:
    """MB that the API server grows by for watches of 3 MB of ConfigMaps that nobody reads."""
    client = Client(home)
    for each in range(3):
        client.send(
            "POST", CONFIG_MAPS, {"metadata": {"name": f"large-{each}"}, "data": {"text": "x" * (MEGABYTE - 99)}}
        )
    process = noted_processes(home.run_dir)["apiserver"].pid
    before = pss(process)
    watches = [Client(home) for _ in range(number)]
    for watch in watches:
        watch.begin(f"{CONFIG_MAPS}?watch=1")
    time.sleep(2)  # until nothing more goes out
    return (pss(process) - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--patches", type=int, default=60)
    parser.add_argument("--watches", type=int, default=60)
    options = parser.parse_args()
    with cluster() as home:
        many, _ = patches_a_second(home, options.clients, options.patches, options.clients)
        one, refused = patches_a_second(home, options.clients, options.patches, 1)
        print(
            f"patches by {options.clients} clients at once, of one object: {one / many:.2f} x those of as many objects"
        )
        print(f"refused of these {options.clients * options.patches}: {refused}")
        print(f"{options.watches} unread watches of 3 MB: {unread_watches(home, options.watches):.0f} MB")


if __name__ == "__main__":
    main()
