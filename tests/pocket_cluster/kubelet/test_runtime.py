"""The runtime starts programs by forking, keeps how they ended, and ends all that they leave behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eventually import DEADLINE_SECONDS, eventually

from pocket_cluster.kubelet import logs
from pocket_cluster.kubelet.images import build_image, find_image
from pocket_cluster.kubelet.runtime import kill_group

if TYPE_CHECKING:
    from conftest import Runtime


def python(code: str) -> list[str]:
    return ["python", "-c", code]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (python("pass"), 0),
        (python("raise SystemExit"), 0),
        (python("import sys; sys.exit(3)"), 3),
        (python("import sys; sys.exit('a text')"), 1),
        (python("1/0"), 1),
        (python("def broken(:"), 1),
        (python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), 137),
        (["python", "nosuch.py"], 2),
        (["sh", "-c", "exit 7"], 7),
        (["python", "-O", "-c", "assert False"], 0),
        (["/usr/local/bin/python3", "-c", "pass"], 0),
        (["nosuch"], 127),
    ],
)
def test_a_program_ends_with_its_own_exit_code(runtime: Runtime, argv: list[str], code: int) -> None:
    assert runtime.exit_of(runtime.start(argv))["exit_code"] == code


def test_threads_and_atexit_finish_as_in_an_interpreter_of_its_own(runtime: Runtime) -> None:
    code = """
import atexit, threading
done = threading.Event()
atexit.register(print, "at exit")
threading.Thread(target=lambda: (done.wait(), print("thread"))).start()
threading.Timer(0.05, done.set).start()
print("main")
"""
    assert runtime.output_of(python(code)) == "main\nthread\nat exit\n"


def test_a_traceback_shows_the_programs_own_lines_alone(runtime: Runtime) -> None:
    output = runtime.exit_of(runtime.start(python("import socket\nsocket.socket().connect(('10.244.0.99', 9))")))[
        "output"
    ]
    assert output.startswith('Traceback (most recent call last):\n  File "<string>", line 2, in <module>\nConnection')


def build(runtime: Runtime, context: Path, **files: str) -> None:
    """An image local/program of these Python files, whose program is ``app``."""
    context.mkdir(exist_ok=True)
    for name, text in files.items():
        (context / f"{name}.py").write_text(text)
    (context / "Containerfile").write_text('FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n')
    build_image(runtime.home, context, "local/program")


def test_a_program_and_its_modules_are_taken_as_the_image_has_them_compiled(runtime: Runtime, tmp_path: Path) -> None:
    build(runtime, tmp_path / "context", app="import part; print('source', part.name)", part="name = 'source'")
    image = find_image(runtime.home.images_dir, "local/program")
    assert image
    for file in (image.root / "app" / "__pycache__").iterdir():
        file.write_bytes(file.read_bytes().replace(b"source", b"binary"))
    assert runtime.exit_of(runtime.start([], image="local/program"))["output"] == "binary binary\n"


def test_a_mistake_in_a_program_is_shown_as_the_interpreter_shows_it(runtime: Runtime, tmp_path: Path) -> None:
    build(runtime, tmp_path / "context", app="if True:\n    print('no end\n")
    output = runtime.exit_of(runtime.start([], image="local/program"))["output"]
    file = output.split('"')[1]
    own = subprocess.run([sys.executable, "-I", file], capture_output=True, text=True, check=False).stderr
    assert output == own


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["forked", "cold"])
def test_a_program_sees_the_standard_library_and_not_the_clusters_environment(
    runtime: Runtime, options: list[str]
) -> None:
    code = """
import sys
for name in ("aiohttp", "pocket_cluster", "pytest"):
    try:
        __import__(name)
    except ImportError:
        print("no", name)
print([path for path in sys.path if "site-packages" in path], len(sys.meta_path))
"""
    output = runtime.output_of(["python", *options, "-c", code])
    assert output == "no aiohttp\nno pocket_cluster\nno pytest\n[] 3\n"


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["forked", "cold"])
def test_a_program_has_the_environment_that_it_was_given_and_no_other(runtime: Runtime, options: list[str]) -> None:
    code = "import os; print(sorted(os.environ), os.environ['COLOUR'])"
    output = runtime.output_of(["python", *options, "-c", code], environment={"COLOUR": "teal"})
    assert output.startswith("['COLOUR', 'LANG', 'PATH'")
    assert output.endswith("] teal\n")
    assert "POCKET" not in output


def test_modules_and_packages_run_as_programs(runtime: Runtime) -> None:
    assert "usage: " in runtime.output_of(["python", "-m", "http.server", "--help"])
    assert runtime.output_of(["python", "-c", "import sys; print(sys.argv)", "a", "-b"]) == "['-c', 'a', '-b']\n"


def test_a_program_that_it_starts_itself_is_a_pods_too(runtime: Runtime) -> None:
    code = """
import multiprocessing, socket, subprocess, sys
print(subprocess.check_output([sys.executable, "-c", "import socket; print(socket.gethostname())"], text=True))
print(subprocess.check_output(["hostname"], text=True))
print(subprocess.check_output(["python3", "-I", "-c", "import socket; print(socket.gethostname())"], text=True))
"""
    assert runtime.output_of(python(code), hostname="web-1").split() == ["web-1"] * 3


@pytest.mark.parametrize("target", ["1", "-1"])
def test_a_program_cannot_signal_the_machines_first_process_nor_everyone(runtime: Runtime, target: str) -> None:
    assert (
        "Operation not permitted"
        in runtime.exit_of(runtime.start(python(f"import os; os.kill({target}, 0)")))["output"]
    )
    assert "not permitted" in runtime.exit_of(runtime.start(["sh", "-c", f"kill -s TERM -- {target}"]))["output"]


def test_what_a_program_leaves_behind_ends_with_it(runtime: Runtime) -> None:
    script = "sleep 4321 & echo $!; (setsid sleep 4321 & echo $!); exit 0"
    left = [int(pid) for pid in runtime.output_of(["sh", "-c", script]).split()]
    assert len(left) == 2
    for pid in left:
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"{pid} has ended")


def test_a_signal_reaches_only_a_program_that_handles_it_as_a_containers_first_process(runtime: Runtime) -> None:
    handled = "import signal, sys; signal.signal(15, lambda *_: sys.exit(9)); print('up', flush=True); signal.pause()"
    deaf = start_and_hear(runtime, ["sh", "-c", "echo up; sleep 4321"])
    obedient = start_and_hear(runtime, python(handled))
    assert runtime.ask("signal", id=deaf, signal=15)["delivered"] is False
    assert runtime.ask("signal", id=obedient, signal=15)["delivered"] is True
    assert runtime.exit_of(obedient)["exit_code"] == 9
    runtime.ask("kill", id=deaf)
    ended = runtime.exit_of(deaf)
    assert (ended["exit_code"], ended["signal"]) == (137, signal.SIGKILL)


def start_and_hear(runtime: Runtime, argv: list[str]) -> str:
    """Start a program and wait for its first line."""
    log = runtime.home.logs_dir / f"{time.monotonic_ns()}.log"
    name = runtime.start(argv, log)
    eventually(lambda: bool(logs.last_lines(log, 1)), "it starts")
    return name


def test_a_container_that_is_killed_just_after_its_fork_ends(runtime: Runtime) -> None:
    for _ in range(20):
        name = runtime.start(["sleep", "4321"])
        runtime.ask("kill", id=name)
        assert runtime.exit_of(name)["signal"] == signal.SIGKILL


def test_a_process_without_a_group_of_its_own_is_killed_too() -> None:
    process = subprocess.Popen(["sleep", "4321"])
    kill_group(process.pid)
    assert process.wait(DEADLINE_SECONDS) == -signal.SIGKILL


def test_another_kubelet_finds_what_runs_and_what_ended_until_it_is_forgotten(runtime: Runtime) -> None:
    ended, lasting = runtime.start(python("print('bye')")), runtime.start(["sleep", "4321"])
    runtime.exit_of(ended)
    runtime.connect()
    known = {each["id"]: each for each in runtime.ask("list")["containers"]}
    assert known[ended]["exit_code"] == 0
    assert known[lasting]["finished"] is None
    assert Path(f"/proc/{known[lasting]['pid']}").exists()
    runtime.ask("kill", id=lasting)
    runtime.exit_of(lasting)
    runtime.ask("forget", ids=[ended, lasting, "nosuch"])
    assert not {ended, lasting} & {each["id"] for each in runtime.ask("list")["containers"]}


def test_lines_are_logged_with_their_times_and_without_the_machines_paths(runtime: Runtime, tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    runtime.exit_of(runtime.start(["sh", "-c", "echo one; printf 'no end'; ls /src/nosuch"], log))
    lines = log.read_text().splitlines()
    assert [line.split(" ", 3)[1:3] for line in lines] == [["stdout", "F"]] * len(lines)
    assert lines[0].startswith("20")
    assert lines[0].split(" ")[0].endswith("Z")
    text = "".join(logs.last_lines(log, 9))
    assert text.startswith("one\n")
    assert "no end" in text
    assert str(runtime.home.path) not in text
    assert "/src/nosuch" in text


def test_a_runtime_that_is_killed_takes_its_containers_with_it_and_the_next_ends_what_is_left(runtime: Runtime) -> None:
    first = runtime.start(["sh", "-c", "sleep 4321; true"])
    pid = next(each["pid"] for each in runtime.ask("list")["containers"] if each["id"] == first)
    eventually(lambda: len(_members(pid)) == 2, "the shell starts sleep")
    group = _members(pid)
    runtime.process.kill()
    runtime.process.wait()
    runtime.start_process()
    for member in group:
        eventually(lambda member=member: not _runs(member), f"{member} has ended")
    assert runtime.ask("list")["containers"] == []


def _members(session: int) -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if _session(each) == session]


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return 0


def _runs(pid: int) -> bool:
    try:
        return (Path(f"/proc/{pid}") / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_asked_to_stop_it_ends_all_containers_even_deaf_ones(runtime: Runtime) -> None:
    start_and_hear(
        runtime, python("import signal, time; signal.signal(15, 1); print('up', flush=True); time.sleep(4321)")
    )
    pids = [each["pid"] for each in runtime.ask("list")["containers"]]
    runtime.stop()
    try:
        assert pids
        assert not any(_runs(pid) for pid in pids)
        assert not (runtime.home.path / "run/runtime.sock").exists()
    finally:
        runtime.start_process()
