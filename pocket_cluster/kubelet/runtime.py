"""The pod runtime: a small process that starts containers by forking itself, reaps them and keeps what they said.

It is single-threaded and knows no secret: ``main`` replaces the process that the supervisor forked by a fresh Python.
It survives the kubelet, which speaks to it in lines of JSON over the socket ``run/runtime.sock``:

    {"request": 1, "op": "start", "id": ID, "meta": {...}, "settings": {...}, "log": PATH or null}  → {"pid", "started"}
    {"request": 2, "op": "signal", "id": ID, "signal": 15}   to the first process, as a container's process 1 gets it
    {"request": 3, "op": "kill", "id": ID}                   all of its processes, at once
    {"request": 4, "op": "list"}                             → {"containers": [...]}, ended ones too, until
    {"request": 5, "op": "forget", "ids": [ID, …]}

and without being asked says {"event": "exited", "container": {...}} to everyone connected. A container without a log
has its output (up to 64 KiB) in that event: that is how a probe's command is run. With ``"streams": [STDIN, STDOUT,
STDERR]`` in the request, paths of pipes or three times that of a terminal, it is connected to those: that is how
``kubectl exec`` runs one.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pocket_cluster.health import say_that_it_serves
from pocket_cluster.kubelet import leftovers
from pocket_cluster.kubelet.container_log import ContainerLog
from pocket_cluster.kubelet.container_process import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    Template,
    open_streams,
    run_forked,
)
from pocket_cluster.kubelet.interpreter import of_the_loader
from pocket_cluster.kubelet.warm_up import warm_up

SOCKET = "run/runtime.sock"
SESSIONS = "run/runtime.sessions"
CAPTURED_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
# What is written within this time is read at once: a chatty program costs a wake-up per interval, not per line.
LOG_SECONDS = 0.005
STOP_SECONDS = 4.0


def main(home: Path) -> None:
    """Become the runtime of that home's cluster; the working directory is the home folder. Never returns."""
    library = str(Path(__file__).parent.parent.parent)
    start = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pocket_cluster.kubelet.runtime import serve;"
        " sys.path.remove(sys.argv[1]); serve(sys.argv[2])"
    )
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **of_the_loader()}
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", start, library, str(home)]
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.execve(sys.executable, command, environment)


def serve(home: str) -> None:
    """Run containers for whoever connects, until SIGTERM or SIGINT; then end them all."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        # The supervisor asked for this before; a fresh program keeps it, but a parent that is gone already is not told.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)  # the usual one, for pods: their folders are in one that nobody else may enter
    os.chdir(home)
    leftovers.end_all(Path(SESSIONS))
    template = Template()
    template.install()  # first: some modules keep the functions of os that they find when they are imported
    runtime = Runtime(template)
    warm_up()
    runtime.serve()


@dataclass
class Container:
    """One process that was started, and how it ended."""

    id: str
    meta: dict[str, Any]
    pid: int
    started: float
    log: ContainerLog | None
    pipe: int = -1
    captured: bytearray = field(default_factory=bytearray)
    finished: float | None = None
    code: int = 0
    signal: int = 0

    def described(self) -> dict[str, Any]:
        """What the kubelet is told: times in seconds since 1970, the exit code as a shell would give it."""
        return {
            "id": self.id,
            "meta": self.meta,
            "pid": self.pid,
            "started": self.started,
            "finished": self.finished,
            "exit_code": self.code,
            "signal": self.signal,
            "output": self.captured.decode(errors="replace"),
        }

    def take_output(self) -> Literal["more", "empty", "closed"]:
        """Read some of what the container wrote, and say whether there may be more."""
        try:
            content = os.read(self.pipe, READ_BYTES)
        except BlockingIOError:
            return "empty"
        if self.log:
            self.log.write(content)
        else:
            self.captured += content[: CAPTURED_BYTES - len(self.captured)]
        return "more" if content else "closed"


class Connection:
    """One kubelet at the other end of a socket; never waits for it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.unsent = bytearray()
        self._unread = b""

    def requests(self) -> list[dict[str, Any]]:
        """What has arrived; ConnectionError when the other end is gone."""
        try:
            content = self.socket.recv(2**20)
        except BlockingIOError:
            return []
        if not content:
            raise ConnectionResetError
        *lines, self._unread = (self._unread + content).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, message: dict[str, Any]) -> None:
        self.unsent += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        with contextlib.suppress(OSError):  # a closed end shows when reading
            del self.unsent[: self.socket.send(self.unsent)]


class Runtime:
    """The loop: requests, output of containers, containers that end."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._selector = selectors.DefaultSelector()
        self._containers: dict[str, Container] = {}
        self._by_pid: dict[int, Container] = {}
        self._connections: list[Connection] = []
        self._stopping = False
        self._has_strays = False
        self._outputs = selectors.DefaultSelector()
        self._next_read = 0.0
        self._woken, self._waker = os.pipe()
        self._listener = socket.socket(socket.AF_UNIX)

    def serve(self) -> None:
        self._catch_signals()
        self._listen()
        say_that_it_serves(Path("run"), "runtime")
        while not self._stopping:
            self._turn(None)
        self._end_all()

    def _catch_signals(self) -> None:
        for descriptor in (self._woken, self._waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._selector.register(self._woken, selectors.EVENT_READ, self._wake)
        self._selector.register(self._outputs, selectors.EVENT_READ, self._read_outputs)

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _listen(self) -> None:
        Path(SOCKET).unlink(missing_ok=True)
        self._listener.bind(SOCKET)
        Path(SOCKET).chmod(0o600)
        self._listener.listen(8)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _turn(self, seconds: float | None) -> None:
        """Wait for something to happen and see to it."""
        pause = self._next_read - time.monotonic()
        if pause > 0:
            self._selector.unregister(self._outputs)
        for key, _ in self._selector.select(seconds if pause <= 0 else min(pause, seconds or pause)):
            if isinstance(key.data, Connection):
                self._converse(key.data)
            else:
                key.data()
        if pause > 0:
            self._selector.register(self._outputs, selectors.EVENT_READ, self._read_outputs)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 512)
        self._reap()
        if self._has_strays:
            self._kill_strays()

    # --- the kubelet

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        connection = Connection(sock)
        self._connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _converse(self, connection: Connection) -> None:
        try:
            connection.flush()
            for request in connection.requests():
                connection.send({"request": request["request"], **self._answer(request)})
        except (OSError, ValueError, KeyError, TypeError):  # gone, or not a kubelet
            self._connections.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()
            return
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.socket, events, connection)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "start":
                return self._start(request)
            case "signal":
                return {"delivered": self._signal(request["id"], request["signal"])}
            case "kill":
                return {"delivered": self._kill(request["id"])}
            case "list":
                return {"containers": [container.described() for container in self._containers.values()]}
            case "forget":
                self._forget(request["ids"])
                return {}
        return {"error": f"unknown operation {request['op']}"}

    def _forget(self, names: list[str]) -> None:
        for name in names:
            if name in self._containers and self._containers[name].finished is not None:
                del self._containers[name]

    # --- containers

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        settings = request["settings"]
        try:
            log = ContainerLog(Path(request["log"]), settings["root"]) if request["log"] else None
            reader, descriptors = open_streams(request.get("streams"))
            pid = os.fork()
        except OSError as error:
            return {"error": error.strerror}
        if pid == 0:
            run_forked(self._template, settings, descriptors)
        for descriptor in set(descriptors):
            os.close(descriptor)
        leftovers.remember(Path(SESSIONS), pid)
        container = Container(request["id"], request["meta"], pid, time.time(), log, reader)
        self._containers[container.id] = self._by_pid[pid] = container
        if reader >= 0:
            os.set_blocking(reader, False)
            self._outputs.register(reader, selectors.EVENT_READ, container)
        return {"pid": pid, "started": container.started}

    def _signal(self, name: str, number: int) -> bool:
        """Signal the first process as the kernel signals a container's process 1: only if it has a handler."""
        container = self._containers.get(name)
        if container is None or container.finished is not None:
            return False
        if not _handles(container.pid, number):
            return False
        os.kill(container.pid, number)
        return True

    def _kill(self, name: str) -> bool:
        container = self._containers.get(name)
        if container is None or container.finished is not None:
            return False
        kill_group(container.pid)
        return True

    def _read_outputs(self) -> None:
        for key, _ in self._outputs.select(0):
            if key.data.take_output() == "closed":
                self._close_pipe(key.data)
        self._next_read = time.monotonic() + LOG_SECONDS

    def _close_pipe(self, container: Container) -> None:
        if container.pipe >= 0:
            self._outputs.unregister(container.pipe)
            os.close(container.pipe)
            container.pipe = -1

    def _reap(self) -> None:
        """See who ended; what they left behind ends with them, before their number can be given to others."""
        for ended in iter(_next_ended, None):
            container = self._by_pid.pop(ended.si_pid, None)
            if container:
                kill_group(container.pid)
            _, status = os.waitpid(ended.si_pid, 0)
            if container:
                self._finish(container, os.waitstatus_to_exitcode(status))
                self._has_strays = True

    def _finish(self, container: Container, code: int) -> None:
        container.finished = time.time()
        container.signal = max(0, -code)
        container.code = code if code >= 0 else 128 - code
        if container.pipe >= 0:
            while container.take_output() == "more":
                pass
            self._close_pipe(container)
        if container.log:
            container.log.close()
            container.log = None
        for connection in self._connections:
            connection.send({"event": "exited", "container": container.described()})
            self._watch(connection)

    def _kill_strays(self) -> None:
        """Processes that left their container's session come to us when it ends (PR_SET_CHILD_SUBREAPER)."""
        self._has_strays = False
        for pid in set(leftovers.children_of(os.getpid())) - self._by_pid.keys():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _end_all(self) -> None:
        for container in self._by_pid.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(container.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._by_pid and time.monotonic() < deadline:
            self._turn(deadline - time.monotonic())
        for container in self._by_pid.values():
            kill_group(container.pid)
        while self._by_pid:
            self._turn(1.0)
        Path(SOCKET).unlink(missing_ok=True)


def _next_ended() -> os.waitid_result | None:
    """A child that has ended and is not reaped yet."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def kill_group(pid: int) -> None:
    """Kill a container's processes; the first one also before it has a group of its own, just after the fork."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _handles(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal; where that cannot be known, yes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
