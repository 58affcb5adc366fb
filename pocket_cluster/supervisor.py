"""The process that a cluster consists of: it forks every component from itself and starts again what dies.

It imports what the components need once, so that they share that memory, and stays single-threaded and without an
event loop, so that forking is sound. It tells the one who started it "ready" or one sentence through a pipe.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import gc
import importlib
import json
import logging
import os
import select
import signal
import ssl
import sys
import time
import urllib.request
from asyncio import sslproto
from collections.abc import Callable
from pathlib import Path

from pocket_cluster.addresses import BlockClaim, NoAddressRange
from pocket_cluster.home import NODE_NAME, Home

logger = logging.getLogger("pocket_cluster.supervisor")

READY_SECONDS = 30.0
STOP_SECONDS = 8.0
RESTART_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# A component that has run this long has recovered: its next failure counts as the first again.
RECOVERED_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
# Two of TLS's largest records. asyncio's own buffers are 256 KiB for each connection, and here there are about a
# hundred: a watch is a connection, and each has two ends.
TLS_BUFFER_BYTES = 32 * 1024

# In the order of starting: the API server first, the pod runtime before the kubelet that asks it.
COMPONENTS: dict[str, str] = {
    "apiserver": "pocket_cluster.apiserver",
    "runtime": "pocket_cluster.kubelet.runtime",
    "controllers": "pocket_cluster.controllers",
    "scheduler": "pocket_cluster.scheduler",
    "kubelet": "pocket_cluster.kubelet",
    "kube-proxy": "pocket_cluster.kube_proxy",
}
# What one process runs. The scheduler is small: it lives with the controllers.
PROCESSES: dict[str, tuple[str, ...]] = {
    "apiserver": ("apiserver",),
    "runtime": ("runtime",),
    "controllers": ("controllers", "scheduler"),
    "kubelet": ("kubelet",),
    "kube-proxy": ("kube-proxy",),
}


class Supervisor:
    """Starts the processes of one cluster, restarts them, and stops them in the reverse order."""

    def __init__(self, home: Home, descriptors: tuple[int, ...]) -> None:
        """``descriptors`` hold the supervisor's locks: its children close them."""
        self._home = home
        self._descriptors = descriptors
        self._running: dict[int, str] = {}
        self._started: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._stopping = False

    def start(self) -> None:
        for name in PROCESSES:
            self._fork(name)

    def keep_running(self) -> None:
        """Restart what dies, until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while not self._stopping:
            self._reap()
            self._restart_due()
            _sleep_until_signal(self._seconds_to_next())
        self.stop()

    def stop(self) -> None:
        """Stop the components, the pod runtime (which ends the pods) after the kubelet, the API server last."""
        for name in ("controllers", "kubelet", "kube-proxy", "runtime", "apiserver"):
            self._stop_process(name)

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _fork(self, name: str) -> None:
        self._started[name] = time.monotonic()
        pid = os.fork()
        if pid == 0:
            for descriptor in self._descriptors:
                os.close(descriptor)
            _become(name, self._home)
        self._running[pid] = name
        logger.info("%s runs as process %d", name, pid)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name = self._running.pop(pid, None)
            if name:
                self._schedule_restart(name, os.waitstatus_to_exitcode(status))

    def _schedule_restart(self, name: str, code: int) -> None:
        now = time.monotonic()
        if now - self._started[name] > RECOVERED_SECONDS:
            self._failures[name] = 0
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        delay = RESTART_DELAYS[min(failures, len(RESTART_DELAYS) - 1)]
        self._due[name] = now + delay
        logger.warning("%s ended with %d; starting it again in %.1f s", name, code, delay)

    def _restart_due(self) -> None:
        for name in [name for name, moment in self._due.items() if moment <= time.monotonic()]:
            del self._due[name]
            self._fork(name)

    def _seconds_to_next(self) -> float:
        return max(0.01, min(self._due.values(), default=time.monotonic() + 60) - time.monotonic())

    def _stop_process(self, name: str) -> None:
        for pid in [pid for pid, running in self._running.items() if running == name]:
            os.kill(pid, signal.SIGTERM)
            if not _ended_within(pid, STOP_SECONDS):
                logger.warning("%s did not stop in %.0f s and is killed", name, STOP_SECONDS)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            del self._running[pid]


def _sleep_until_signal(seconds: float) -> None:
    """Sleep, but wake for any signal that has a handler (also one that came just before: the wake-up descriptor)."""
    select.select([_wake_up_reader], [], [], seconds)
    while select.select([_wake_up_reader], [], [], 0)[0]:
        os.read(_wake_up_reader, 512)


_wake_up_reader, _wake_up_writer = os.pipe()
for _end in (_wake_up_reader, _wake_up_writer):
    os.set_blocking(_end, False)


def _ended_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        _sleep_until_signal(0.05)
    return False


def _become(name: str, home: Home) -> None:
    """Turn the forked child into a component; never returns."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _die_with_parent()
        _log_to(home.logs_dir / f"{name}.log")
        if name == "runtime":
            importlib.import_module(COMPONENTS["runtime"]).main(home.path)
        else:
            _run_components(name, home)
        code = 0
    except BaseException:
        logger.exception("%s failed", name)
    finally:
        logging.shutdown()
        os._exit(code)


def _run_components(name: str, home: Home) -> None:
    sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
    factory = _fast_loop_factory() if name == "kube-proxy" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_until_terminated(PROCESSES[name], home))


def _fast_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed: kube-proxy carries the traffic."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _until_terminated(components: tuple[str, ...], home: Home) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        for component in components:
            group.create_task(importlib.import_module(COMPONENTS[component]).run(home, stop))


def _die_with_parent() -> None:
    """Where Linux offers it: a component never outlives its supervisor, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


# --- starting


def _import_components() -> None:
    for module in COMPONENTS.values():
        importlib.import_module(module)


def _make_certificates(home: Home) -> int:
    """Make the keys in a child of its own, beside the imports: cryptography's memory goes with it."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        from pocket_cluster import certificates

        certificates.ensure(home.path)
        code = 0
    except BaseException:
        logger.exception("the certificates could not be made")
    finally:
        os._exit(code)


def _claim_addresses(home: Home) -> BlockClaim:
    file = home.address_block_file
    claim = BlockClaim(int(file.read_text()) if file.exists() else None)
    file.write_text(str(claim.block))
    return claim


def _wait_until_ready(home: Home, deadline: float) -> None:
    """Watch the node until it is Ready: then API server, kubelet and all between them work."""
    credentials = home.credentials("admin")
    query = f"watch=true&timeoutSeconds={READY_SECONDS:.0f}&fieldSelector=metadata.name={NODE_NAME}"
    request = urllib.request.Request(
        f"{credentials.server}/api/v1/nodes?{query}", headers={"Authorization": f"Bearer {credentials.token}"}
    )
    context = ssl.create_default_context(cafile=credentials.ca_file)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=deadline - time.monotonic(), context=context) as events:
                if any(_says_ready(json.loads(line)) for line in events):
                    return
        except (OSError, ValueError):
            if time.monotonic() > deadline - 1:
                raise TimeoutError from None
            _sleep_until_signal(0.02)  # the API server does not listen yet: there is nothing to watch


def _says_ready(event: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> bool:
    conditions = event["object"].get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def main(arguments: list[str]) -> int:
    """``python -m pocket_cluster.supervisor HOME REPORT_DESCRIPTOR``: run the cluster of that folder."""
    home, report = Home(arguments[0]), _reporter(int(arguments[1]))
    os.chdir(home.path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    lock = os.open(home.run_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        report("Another process already runs this cluster.")
        return 1
    (home.run_dir / "supervisor.pid").write_text(str(os.getpid()))
    signal.set_wakeup_fd(_wake_up_writer)
    try:
        return _run(home, report, lock)
    except NoAddressRange as error:
        report(str(error))
        return 1


def _run(home: Home, report: Callable[[str], None], lock: int) -> int:
    keys = _make_certificates(home)
    claim = _claim_addresses(home)
    _import_components()
    if os.waitstatus_to_exitcode(os.waitpid(keys, 0)[1]):
        report(f"The cluster's certificates could not be made; {home.logs_dir / 'supervisor.log'} says why.")
        return 1
    home.prepare()
    gc.collect()
    gc.freeze()
    supervisor = Supervisor(home, (lock, claim.descriptor))
    supervisor.start()
    try:
        _wait_until_ready(home, time.monotonic() + READY_SECONDS)
        report("ready")
        supervisor.keep_running()
    except TimeoutError:
        supervisor.stop()
        report(f"The cluster did not become ready in {READY_SECONDS:.0f} s; the logs in {home.logs_dir} say why.")
        return 1
    finally:
        claim.release()
    return 0


def _reporter(descriptor: int) -> Callable[[str], None]:
    def report(sentence: str) -> None:
        os.write(descriptor, sentence.encode())
        os.close(descriptor)

    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
