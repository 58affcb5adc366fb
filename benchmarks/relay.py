"""What it costs to reach a pod through kube-proxy, as a share of what the same pod does when it is reached directly.

    python benchmarks/relay.py [--seconds 3] [--rounds 3]

Two pods: the course's sample application, and a bare server that does nothing but answer, which shows the relay at its
worst. Load comes from `wrk` for connections that are kept alive and from `hey` for fresh ones (wrk has no such mode
that closes as a browser does). Pod, relay and load share the machine's cores, as they do in the course.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import uvloop

from pocket_cluster.kube_proxy.relay import Visitor

ROOT = Path(__file__).parent.parent
BARE, SAMPLE, RELAY = ("127.0.0.1", 31801), ("127.0.0.1", 31802), ("127.0.0.1", 31803)
WHERE_FROM = {"hey": "https://github.com/rakyll/hey", "wrk": "https://github.com/wg/wrk"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n%s\r\nok\n"


class BareServer(asyncio.Protocol):
    """Answers whatever it hears."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        is_last = b"onnection: close" in data
        self.transport.write(ANSWER % (b"Connection: close\r\n" if is_last else b""))
        if is_last:
            self.transport.close()


async def serve(kind: str, port: int) -> None:
    """The bare server, or a relay to ``port``."""
    loop = asyncio.get_running_loop()
    factories: dict[str, Callable[[], asyncio.Protocol]] = {
        "bare": BareServer,
        "relay": lambda: Visitor(lambda _: ("127.0.0.1", port)),
    }
    address = RELAY if kind == "relay" else BARE
    server = await loop.create_server(factories[kind], *address, backlog=4096)
    await server.serve_forever()


@contextlib.contextmanager
def running(command: list[str], address: tuple[str, int], cwd: Path = ROOT) -> Iterator[None]:
    """A process for as long as the block lasts, from the moment that it listens."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    try:
        _wait_until_listening(address)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_listening(address: tuple[str, int]) -> None:
    import socket

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {address}")


def fresh_per_second(address: tuple[str, int], seconds: float) -> float:
    command = ["hey", "-z", f"{seconds}s", "-c", "20", "-disable-keepalive", "http://{}:{}/".format(*address)]
    return _number(command, r"Requests/sec:\s+([\d.]+)")


def kept_alive_per_second(address: tuple[str, int], seconds: float) -> float:
    command = ["wrk", "-t1", "-c20", f"-d{seconds:.0f}s", "http://{}:{}/".format(*address)]
    return _number(command, r"Requests/sec:\s+([\d.]+)")


def _number(command: list[str], pattern: str) -> float:
    if not shutil.which(command[0]):
        sys.exit(f"This benchmark measures with {command[0]}, and this machine has none: {WHERE_FROM[command[0]]}")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"{command[0]} did not say how many:\n{text}")
    return float(found[1])


def compare(name: str, pod: tuple[str, int], rounds: int, seconds: float) -> None:
    """Direct and relayed in turn; medians of the rounds."""
    measures = {"fresh connections": fresh_per_second, "kept-alive requests": kept_alive_per_second}
    with running([sys.executable, __file__, "relay", str(pod[1])], RELAY):
        for what, measure in measures.items():
            pairs = [(measure(pod, seconds), measure(RELAY, seconds)) for _ in range(rounds)]
            ratio = statistics.median(relayed / direct for direct, relayed in pairs)
            direct, relayed = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{name:19} {what:20} {direct:8.0f}/s direct {relayed:8.0f}/s relayed  ratio {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with running([sys.executable, __file__, "bare", "0"], BARE):
        compare("bare server", BARE, options.rounds, options.seconds)
    sample = ROOT / "images" / "original"
    command = ["env", f"PORT={SAMPLE[1]}", sys.executable, "app.py"]
    with running(command, SAMPLE, sample):
        compare("sample application", SAMPLE, options.rounds, options.seconds)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("bare", "relay"):
        uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
    else:
        main()
