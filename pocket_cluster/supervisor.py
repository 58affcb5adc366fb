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
import logging
import os
import select
import signal
import sys
import time
from asyncio import sslproto
from collections.abc import Callable
from typing import Self

from pocket_cluster import health
from pocket_cluster.addresses import BlockClaim, NoAddressRange
from pocket_cluster.health import PROCESSES, Process
from pocket_cluster.home import Home
from pocket_cluster.limits import BoundedLog, bound_logs, log_to, open_files

logger = logging.getLogger("pocket_cluster.supervisor")

READY_SECONDS = 60.0
STOP_SECONDS = 8.0
RESTART_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# A component that has run this long has recovered: its next failure counts as the first again.
RECOVERED_SECONDS = 30.0
# A component that has ended so often before it served for the first time will not serve.
HOPELESS = 4
LOOK_SECONDS = 10.0
# Fewer, and a component would soon run out of them: connections, watches, pods' logs.
FEWEST_OPEN_FILES = 256
PR_SET_PDEATHSIG = 1
# Two of TLS's largest records. asyncio's own buffers are 256 KiB for each connection, and here there are about a
# hundred: a watch is a connection, and each has two ends.
TLS_BUFFER_BYTES = 32 * 1024

COMPONENTS: dict[str, str] = {
    "apiserver": "pocket_cluster.apiserver",
    "runtime": "pocket_cluster.kubelet.runtime",
    "controllers": "pocket_cluster.controllers",
    "scheduler": "pocket_cluster.scheduler",
    "kubelet": "pocket_cluster.kubelet",
    "kube-proxy": "pocket_cluster.kube_proxy",
}


class Supervisor:
    """Starts the processes of one cluster, restarts them, and stops them in the reverse order."""

    def __init__(self, home: Home, descriptors: tuple[int, ...]) -> None:
        """``descriptors`` hold the supervisor's locks: its children close them."""
        self._home = home
        self._descriptors = descriptors
        self._started: dict[str, float] = {}
        self._processes: dict[str, Process] = {}
        self._due: dict[str, float] = {}
        self._stopping = False

    def start(self) -> None:
        health.forget(self._home.run_dir)
        for name in PROCESSES:
            self._fork(name)

    def become_ready(self, deadline: float) -> str:
        """Run until every component has served once; ``""``, or a sentence about one that does not."""
        self._catch_signals()
        while not self._stopping:
            self._see_to_processes()
            late = health.late(self._home.run_dir, self._processes)
            if not late:
                return ""
            for name, component in late:
                process = self._processes[name]
                if process.ended >= HOPELESS or time.monotonic() > deadline:
                    return health.trouble(component, process, self._home.log_of(name))
            _sleep_until_signal(0.01)  # a component notes that it serves in a file
        return "It was asked to stop before it was ready."

    def keep_running(self) -> None:
        """Restart what dies, until SIGTERM or SIGINT."""
        while not self._stopping:
            self._see_to_processes()
            bound_logs(self._home.logs_dir)
            _sleep_until_signal(self._seconds_to_next())
        self.stop()

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _see_to_processes(self) -> None:
        self._reap()
        self._restart_due()

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
        self._processes.setdefault(name, Process(pid)).pid = pid
        health.note_processes(self._home.run_dir, self._processes)
        logger.info("%s runs as process %d", name, pid)

    def _reap(self) -> None:
        while running := {process.pid: name for name, process in self._processes.items() if process.pid}:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in running:
                self._schedule_restart(running[pid], os.waitstatus_to_exitcode(status))

    def _schedule_restart(self, name: str, code: int) -> None:
        now, process = time.monotonic(), self._processes[name]
        if now - self._started[name] > RECOVERED_SECONDS:
            process.ended = 0
        delay = RESTART_DELAYS[min(process.ended, len(RESTART_DELAYS) - 1)]
        process.pid, process.ended, process.code = 0, process.ended + 1, code
        health.note_processes(self._home.run_dir, self._processes)
        self._due[name] = now + delay
        logger.warning("%s ended with %d; starting it again in %.1f s", name, code, delay)

    def _restart_due(self) -> None:
        for name in [name for name, moment in self._due.items() if moment <= time.monotonic()]:
            del self._due[name]
            self._fork(name)

    def _seconds_to_next(self) -> float:
        return max(0.01, min(self._due.values(), default=time.monotonic() + LOOK_SECONDS) - time.monotonic())

    def _stop_process(self, name: str) -> None:
        pid = self._processes[name].pid
        if not pid:  # it has ended, and is not started again
            return
        os.kill(pid, signal.SIGTERM)
        if not _ended_within(pid, STOP_SECONDS):
            logger.warning("%s did not stop in %.0f s and is killed", name, STOP_SECONDS)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


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
        log_to(home.log_of(name))
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


# --- starting


def _import_components() -> None:
    for module in COMPONENTS.values():
        importlib.import_module(module)


class _FirstLook:
    """What is done in a child of its own, beside the imports: its memory goes with it, cryptography's above all."""

    def __init__(self, home: Home, lock: int) -> None:
        """Look at what is stored, and make the keys. The child does not keep the supervisor's lock."""
        self._home = home
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(writer)
            return
        code = 1
        try:
            _die_with_parent()
            os.close(lock)
            os.write(writer, _trouble_with(home).encode())
            code = 0
        except BaseException:
            logger.exception("the cluster could not be prepared")
        finally:
            os._exit(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        if self._pid:
            os.waitpid(self._pid, 0)

    def trouble(self) -> str:
        """Why the cluster cannot be started, once that is known; empty when it can."""
        with open(self._reader, "rb", closefd=False) as pipe:
            sentence = pipe.read().decode()
        failed = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = 0
        if failed:
            return f"The cluster could not be prepared; the last lines of {self._home.log_of('supervisor')} say why."
        return sentence


def _trouble_with(home: Home) -> str:
    from pocket_cluster import certificates
    from pocket_cluster.apiserver.database import Unusable, examine

    try:
        examine(home.database)
    except Unusable as error:
        return f"The cluster's objects cannot be read: {home.database} {error}. Nothing was changed. {error.way_out}"
    certificates.ensure(home.path)
    return ""


def _claim_addresses(home: Home) -> BlockClaim:
    claim = BlockClaim(home.address_block)
    home.keep_address_block(claim.block)
    return claim


def main(arguments: list[str]) -> int:
    """``python -m pocket_cluster.supervisor HOME REPORT_DESCRIPTOR``: run the cluster of that folder."""
    home, report = Home(arguments[0]), _reporter(int(arguments[1]))
    os.umask(0o077)
    os.chdir(home.path)
    log = BoundedLog(home.log_of("supervisor"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", handlers=[log])
    if open_files() < FEWEST_OPEN_FILES:
        report(
            f"The cluster needs {FEWEST_OPEN_FILES} open files for each of its processes, and this system allows"
            f" {open_files()}. Raise the limit, then start it from the same terminal: ulimit -n {FEWEST_OPEN_FILES}"
        )
        return 1
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
    with _FirstLook(home, lock) as look:
        claim = _claim_addresses(home)
        _import_components()
        if sentence := look.trouble():
            report(sentence)
            return 1
    home.prepare()
    gc.collect()
    gc.freeze()
    supervisor = Supervisor(home, (lock, claim.descriptor))
    supervisor.start()
    try:
        if sentence := supervisor.become_ready(time.monotonic() + READY_SECONDS):
            supervisor.stop()
            report(f"The cluster did not become ready. {sentence}")
            return 1
        report("ready")
        supervisor.keep_running()
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
