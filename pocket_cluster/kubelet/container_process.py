"""What happens in a container's process between its start and its program.

Only the standard library. A Python program runs right in the forked process; what a fork cannot honour (interpreter
options such as ``-O``, programs other than Python) is executed. Both see the container's files and the pod's network.
"""

# Plain os.path, since this replaces what pathlib and open do, and streams that stay open to the end.
# ruff: noqa: PTH109, PTH100, PTH112, PTH118, PTH119, PTH120, SIM115

from __future__ import annotations

import atexit
import ctypes
import fcntl
import io
import json
import os
import platform
import resource
import runpy
import signal
import site
import sys
import termios
import threading
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any, NoReturn, TypedDict

from pocket_cluster.kubelet.interpreter import PYTHON_NAMES, PythonCommand, read_python_command
from pocket_cluster.kubelet.pod_files import PodFiles
from pocket_cluster.kubelet.pod_network import NetworkSettings, PodNetwork

PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 15, 22, 36, 38
SECCOMP_MODE_FILTER = 2
# For each machine: its number in seccomp(2)'s data, and the number of kill(2).
KILL_NUMBERS = {"x86_64": (0xC000003E, 62), "aarch64": (0xC00000B7, 129)}

# Standard input, output and error.
Descriptors = tuple[int, int, int]


class ContainerSettings(TypedDict):
    """How a container's process is to be; paths are the machine's unless said otherwise.

    ``owned``: paths inside the container that lead into ``root``, which is below ``home``. ``programs``: the folder of
    ``python`` and ``hostname``, first on the PATH.
    """

    argv: list[str]
    environment: dict[str, str]
    working_directory: str
    home: str
    root: str
    owned: list[str]
    programs: str
    title: str
    network: NetworkSettings


# --- around the fork


def open_streams(paths: list[str] | None) -> tuple[int, Descriptors]:
    """What a process starts with as standard descriptors, and where its output is read (-1: by whoever gave paths).

    OSError when nobody holds the other ends any more.
    """
    if not paths:
        reader, writer = os.pipe()
        return reader, (os.open(os.devnull, os.O_RDONLY), writer, writer)
    modes = (os.O_RDWR,) * 3 if len(set(paths)) == 1 else (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    opened: list[int] = []
    try:
        for path, mode in zip(paths, modes, strict=True):
            opened.append(os.open(path, mode | os.O_NOCTTY | os.O_NONBLOCK))
            os.set_blocking(opened[-1], True)
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return -1, (opened[0], opened[1], opened[2])


# --- in the forked process


class Template:
    """What every container's process has in common, made once before the first fork."""

    def __init__(self) -> None:
        self.files = PodFiles()
        self.network = PodNetwork()
        self._prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
        numbers = KILL_NUMBERS.get(platform.machine())
        self._filter = ctypes.byref(_kill_filter(*numbers)) if numbers else None

    def install(self) -> None:
        """Let this process's file and network calls go through the translation; it changes nothing until ``become``."""
        self.files.install()
        self.network.install()
        for install in (site.setquit, site.setcopyright, site.sethelper):
            install()
        forget_own_modules()
        sys.modules.pop("tempfile", None)  # it keeps functions of os; a program imports it anew

    def become(self, settings: ContainerSettings) -> None:
        """Let this interpreter see the container's files and the pod's network."""
        self.files.become(settings["root"], settings["owned"], settings["home"])
        self.network.become(settings["network"])
        sys.executable = os.path.join(settings["programs"], "python")

    def restrict(self, title: str) -> None:
        """Die with the runtime, adopt orphans as a container's process 1 does, and spare the machine's processes."""
        if self._prctl:
            self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            self._prctl(PR_SET_CHILD_SUBREAPER, 1)
            self._prctl(PR_SET_NAME, title.encode())
        if self._prctl and self._filter:
            self._prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            self._prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._filter)


def forget_own_modules() -> None:
    """A pod's program cannot import the cluster's code; the functions that run go on."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pocket_cluster"]:
        del sys.modules[name]


def run_forked(template: Template, settings: ContainerSettings, descriptors: Descriptors) -> NoReturn:
    """Turn this freshly forked process into the container's, with these as 0, 1 and 2. Never returns."""
    code = 1
    try:
        _leave_the_runtime(descriptors)
        template.restrict(settings["title"])
        os.chdir(settings["working_directory"])
        code = _start(template, settings)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def _leave_the_runtime(descriptors: Descriptors) -> None:
    """A session of its own, with the standard descriptors and nothing else open; a terminal is the session's."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1, warn_on_full_buffer=False)
    for target, source in enumerate(descriptors):
        os.dup2(source, target)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction))]


def _kill_filter(architecture: int, kill: int) -> _Program:
    """Refuse kill(1) and kill(-1): in a real container they reach its own processes, here the user's whole session."""
    load, equal, answer = 0x20, 0x15, 0x06
    permitted, refused = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
    rules = (
        (load, 0, 0, 4),  # struct seccomp_data: the machine
        (equal, 0, 5, architecture),
        (load, 0, 0, 0),  # the number of the call
        (equal, 0, 3, kill),
        (load, 0, 0, 16),  # its first argument
        (equal, 2, 0, 1),
        (equal, 1, 0, 0xFFFFFFFF),
        (answer, 0, 0, permitted),
        (answer, 0, 0, refused),
    )
    return _Program(len(rules), (_Instruction * len(rules))(*(_Instruction(*rule) for rule in rules)))


def _start(template: Template, settings: ContainerSettings) -> int:
    environment = settings["environment"]
    command = read_python_command(settings["argv"])
    if command and command.fits_fork(environment):
        os.environ.clear()
        os.environ.update(environment)
        template.become(settings)
        return _run_to_end(command, template.files)
    files = PodFiles(settings["root"], settings["owned"], settings["home"])
    if command:
        if command.kind == "script":  # the interpreter opens it before anything is translated
            command.target = files.on_machine(command.target)
        _execute(command.argv(settings["argv"][0]), environment)
    _execute(
        [files.in_text(word) for word in settings["argv"]],
        {name: value if name == "PATH" else files.in_text(value) for name, value in environment.items()},
    )


def _execute(argv: list[str], environment: dict[str, str]) -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name = os.path.basename(argv[0])
    # The machine's own interpreter is never meant, whatever path the image names it by.
    program = name if name in PYTHON_NAMES else argv[0]
    try:
        os.execvpe(program, argv, environment)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


# --- in a Python program


def enter_cold(settings_file: str) -> None:
    """Make an interpreter that has just started a pod's: what ``sitecustomize`` in a pod calls."""
    with open(settings_file) as file:
        settings: ContainerSettings = json.load(file)
    template = Template()
    template.install()
    template.become(settings)
    del os.environ["POCKET_CONTAINER"]
    _, _, own = os.environ.pop("PYTHONPATH").partition(os.pathsep)
    if own:
        os.environ["PYTHONPATH"] = own
    installed = ("site-packages", "dist-packages")
    sys.path[:] = [template.files.on_machine(path) for path in sys.path if os.path.basename(path) not in installed]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder.__module__.startswith("_frozen_importlib")]


def _run_to_end(command: PythonCommand, files: PodFiles) -> int:
    """Run the program as the interpreter does; returns the exit code."""
    _open_streams("-u" in command.options or bool(os.environ.get("PYTHONUNBUFFERED")))
    sys.dont_write_bytecode = "-B" in command.options or bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    extra = [files.on_machine(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = extra
    sys.orig_argv = ["python", *command.argv("python")[1:]]
    code = _exit_code(lambda: _run(command, files))
    for finish in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # type: ignore[attr-defined]
        code = _exit_code(finish) or code
    return code


def _run(command: PythonCommand, files: PodFiles) -> None:
    isolated = "-I" in command.options
    if command.kind == "-m":
        sys.argv = ["-m", *command.arguments]
        if not isolated:
            sys.path.insert(0, os.getcwd())
        runpy._run_module_as_main(command.target)  # type: ignore[attr-defined]
    elif command.kind == "-c":
        sys.argv = ["-c", *command.arguments]
        if not isolated:
            sys.path.insert(0, "")
        exec(compile(command.target, "<string>", "exec"), _new_main().__dict__)
    else:
        sys.argv = [command.target, *command.arguments]
        _run_script(command.target, files, isolated)


def _run_script(target: str, files: PodFiles, isolated: bool) -> None:
    path = os.path.abspath(files.on_machine(target))
    if os.path.isdir(path):
        runpy.run_path(path, run_name="__main__")
        return
    try:
        code = _ProgramLoader("__main__", path).get_code("__main__")
    except OSError as error:
        sys.stderr.write(f"python: can't open file '{path}': [Errno {error.errno}] {error.strerror}\n")
        raise SystemExit(2) from None
    if not isolated:
        sys.path.insert(0, os.path.dirname(path))
    main = _new_main()
    main.__file__ = path
    exec(code or "", main.__dict__)


class _ProgramLoader(SourceFileLoader):
    """Takes what the image has compiled already; like the interpreter it leaves nothing compiled of a program."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Nothing."""


def _new_main() -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    return main


def _open_streams(unbuffered: bool) -> None:
    for name, descriptor, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        raw = open(descriptor, "wb", buffering=0 if unbuffered else -1, closefd=False)
        line_buffering = (name == "stderr" or os.isatty(descriptor)) and not unbuffered
        stream = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=line_buffering, write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]


def _exit_code(run: Callable[[], Any]) -> int:
    """The exit code that the interpreter ends with after running this."""
    try:
        run()
    except SystemExit as leaving:
        return _code_of(leaving)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BaseException as error:
        traceback = _own_frames(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        return 1
    return 0


def _own_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The frames of a traceback that are the program's or the standard library's."""
    if traceback is None:
        return None
    following = _own_frames(traceback.tb_next)
    file = traceback.tb_frame.f_code.co_filename
    if os.path.dirname(file) == os.path.dirname(__file__) or file.startswith("<frozen importlib."):
        return following
    return types.TracebackType(following, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


def _code_of(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    sys.stderr.write(f"{leaving.code}\n")
    return 1
