"""A command in a pod runs as the pod's own, with its input, output and exit code at the caller's."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from component import process_of
from eventually import DEADLINE_SECONDS, eventually, eventually_says

from pocket_cluster.kubelet.remote_command import signal_for_first_process

if TYPE_CHECKING:
    from conftest import Cluster

NOT_STARTED = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.fixture
def pod(cluster: Cluster) -> str:
    return cluster.pods()[0]


# --- output, input, exit code


def test_output_errors_and_the_exit_code_come_back_apart(cluster: Cluster, pod: str) -> None:
    done = cluster.kubectl("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.returncode) == ("out\n", 3)
    assert done.stderr == "err\ncommand terminated with exit code 3\n"


def test_the_oldest_kubectl_gets_the_same(cluster: Cluster, pod: str, oldest_kubectl: str) -> None:
    command = [oldest_kubectl, "--kubeconfig", str(cluster.home.kubeconfig), "exec", "-i", pod, "--"]
    done = subprocess.run(
        [*command, "sh", "-c", "cat; exit 4"], input=b"said", capture_output=True, timeout=DEADLINE_SECONDS
    )
    assert (done.stdout, done.returncode) == (b"said", 4)


def test_input_reaches_the_command_and_its_end_too(cluster: Cluster, pod: str) -> None:
    text = "".join(f"line {number}\n" for number in range(100_000))
    assert cluster.output("exec", "-i", pod, "--", "cat", said=text) == text


def test_input_that_the_command_does_not_want_is_no_error(cluster: Cluster, pod: str) -> None:
    assert cluster.output("exec", "-i", pod, "--", "true", said="x" * 1_000_000) == ""


def test_without_i_the_command_reads_nothing(cluster: Cluster, pod: str) -> None:
    assert cluster.output("exec", pod, "--", "cat") == ""


def test_much_output_arrives_whole(cluster: Cluster, pod: str) -> None:
    done = cluster.output("exec", pod, "--", "python", "-c", "print('0123456789' * 500_000)")
    assert done == "0123456789" * 500_000 + "\n"


def test_a_command_ended_by_a_signal_has_the_code_of_a_shell(cluster: Cluster, pod: str) -> None:
    assert cluster.kubectl("exec", pod, "--", "sh", "-c", "kill -9 $$").returncode == 137


# --- the pod's environment


def test_the_command_has_the_pods_variables_folder_and_name(cluster: Cluster, pod: str) -> None:
    program = (
        "import os, socket; print(os.environ['GREETING'], socket.gethostname(),"
        " 'app.py' in os.listdir('.'), 'app.py' in os.listdir('/src'))"
    )
    assert cluster.output("exec", pod, "--", "python", "-c", program) == f"hello {pod} True True\n"


def test_a_program_of_a_shell_sees_the_pod_as_well(cluster: Cluster, pod: str) -> None:
    script = "python -c 'import socket; print(socket.gethostname())'; hostname"
    assert cluster.output("exec", pod, "--", "sh", "-c", script) == f"{pod}\n" * 2


@pytest.mark.parametrize("name", ["web:3000", "web.default.svc.cluster.local:3000", "named"])
def test_the_command_reaches_a_service_by_its_cluster_ip(cluster: Cluster, pod: str, name: str) -> None:
    program = f"import json, urllib.request; print(json.load(urllib.request.urlopen('http://{name}/x'))['pod'])"
    assert cluster.output("exec", pod, "--", "python", "-c", program).strip() in cluster.pods()


def test_the_command_reaches_its_own_pod_by_localhost(cluster: Cluster, pod: str) -> None:
    program = "import json, urllib.request as u; print(json.load(u.urlopen('http://localhost:3000/'))['pod'])"
    assert cluster.output("exec", pod, "--", "python", "-c", program).strip() == pod


def test_a_deployment_and_a_service_stand_for_one_of_their_pods(cluster: Cluster) -> None:
    for target in ("deploy/web", "svc/web"):
        assert cluster.output("exec", target, "--", "hostname").strip() in cluster.pods()


def test_a_container_is_chosen_by_name(cluster: Cluster) -> None:
    assert cluster.output("exec", "two", "-c", "b", "--", "hostname") == "two\n"
    assert "Defaulted container" in cluster.kubectl("exec", "two", "--", "true").stderr


# --- what cannot be


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("/no/such", 'exec: "/no/such": stat /no/such: no such file or directory'),
        ("/src", 'exec: "/src": permission denied'),
    ],
)
def test_a_command_that_cannot_start_is_an_error_as_a_real_cluster_words_it(
    cluster: Cluster, pod: str, command: str, why: str
) -> None:
    done = cluster.kubectl("exec", pod, "--", command)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: Internal error occurred: Internal error occurred: error executing command in container: "
    )
    assert done.stderr.endswith(f": {NOT_STARTED}{why}\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["broken"], 'container not found ("c")'),
        (["unscheduled"], "pod unscheduled does not have a host assigned"),
        (["nosuch"], 'pods "nosuch" not found'),
        (["two", "-c", "x"], "container x is not valid for pod two"),
    ],
)
def test_a_pod_without_a_place_for_commands_says_why(cluster: Cluster, arguments: list[str], why: str) -> None:
    eventually(lambda: "CrashLoop" in cluster.output("get", "pod", "broken"), "the pod fails")
    done = cluster.kubectl("exec", *arguments, "--", "true")
    assert done.returncode == 1
    assert why in done.stderr


def test_a_request_that_is_no_stream_is_refused(cluster: Cluster, pod: str) -> None:
    status, _, body = cluster.request("GET", f"pods/{pod}/exec?command=true&stdout=true")
    assert (status, json.loads(body)["message"]) == (400, "Upgrade request required")
    status, _, body = cluster.request("GET", "pods/two/exec?command=true&stdout=true")
    assert "a container name must be specified for pod two, choose one of: [a b]" in body


def test_an_unknown_protocol_is_refused_by_name(cluster: Cluster, pod: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "v9.channel.k8s.io"}
    status, _, body = cluster.request("GET", f"pods/{pod}/exec?command=true&stdout=true", headers=headers)
    assert status == 400
    assert json.loads(body)["message"].startswith("requested protocol(s) are not supported: [v9.channel.k8s.io]")


# --- signals to the pod's first process


def test_kill_1_reaches_the_pods_own_first_process(cluster: Cluster) -> None:
    before = _restarts(cluster)
    assert cluster.kubectl("exec", cluster.pods()[0], "--", "sh", "-c", "kill -TERM 1").returncode == 0
    eventually(lambda: _restarts(cluster) == before + 1, "the container is started again")


def _restarts(cluster: Cluster) -> int:
    listed = json.loads(cluster.output("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    return sum(each["restartCount"] for pod in listed for each in pod["status"]["containerStatuses"])


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (["kill", "1"], signal.SIGTERM),
        (["/bin/kill", "-9", "1"], signal.SIGKILL),
        (["kill", "-s", "HUP", "1"], signal.SIGHUP),
        (["kill", "-SIGUSR1", "1"], signal.SIGUSR1),
        (["/bin/sh", "-c", "kill -INT 1"], signal.SIGINT),
        (["sh", "-c", "kill 1; echo done"], None),
        (["kill", "2"], None),
        (["kill", "-NOSUCH", "1"], None),
        (["echo", "1"], None),
    ],
)
def test_only_a_kill_of_process_1_is_meant_for_the_first_process(command: list[str], number: int | None) -> None:
    assert signal_for_first_process(command) == number


# --- the end of one side


def test_a_command_ends_when_its_caller_goes(cluster: Cluster, pod: str) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
    with subprocess.Popen(
        cluster.command("exec", pod, "--", "python", "-c", program), stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout
        number = int(caller.stdout.readline())
        caller.kill()
    eventually(lambda: not _runs(number), "the command ends without its caller")


def test_a_command_ends_with_its_container(cluster: Cluster) -> None:
    cluster.output("run", "short", "--image", "local/echo:v1", "--restart=Never")
    cluster.output("wait", "--for=condition=Ready", "pod/short", "--timeout", "20s")
    command = cluster.command("exec", "short", "--", "sh", "-c", "echo begun; sleep 1000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == "begun\n"
        cluster.output("delete", "pod", "short", "--grace-period", "1")
        assert caller.wait(DEADLINE_SECONDS) == 137


def test_a_command_ends_with_its_kubelet_and_leaves_nothing(cluster: Cluster, pod: str) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
    command = cluster.command("exec", pod, "--", "python", "-c", program)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as caller:
        assert caller.stdout
        number = int(caller.stdout.readline())
        os.kill(process_of(cluster.home, "kubelet"), signal.SIGKILL)
        assert caller.wait(DEADLINE_SECONDS) == 1
    eventually(lambda: not _runs(number), "the command ends without its kubelet")
    eventually(lambda: cluster.kubectl("exec", pod, "--", "true").returncode == 0, "a kubelet answers")
    assert not list(cluster.home.run_dir.glob("exec-*"))


@pytest.mark.parametrize("component", ["kubelet", "apiserver"])
def test_a_part_of_the_cluster_that_is_stopped_is_no_success(cluster: Cluster, pod: str, component: str) -> None:
    command = cluster.command("exec", pod, "--", "sh", "-c", "echo begun; sleep 1000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == "begun\n"
        os.kill(process_of(cluster.home, component), signal.SIGTERM)
        assert caller.wait(DEADLINE_SECONDS) == 1
    eventually(lambda: cluster.kubectl("exec", pod, "--", "true").returncode == 0, "a kubelet answers")


def test_a_command_ends_for_its_caller_when_the_runtime_ends(cluster: Cluster) -> None:
    command = cluster.command("exec", cluster.pods()[0], "--", "sh", "-c", "echo begun; sleep 1000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as caller:
        assert caller.stdout
        assert caller.stdout.readline() == "begun\n"
        os.kill(process_of(cluster.home, "runtime"), signal.SIGKILL)
        assert caller.wait(DEADLINE_SECONDS) == 137


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


# --- a terminal


class Typist:
    """A person at a terminal of 100 by 30 characters, in front of a program."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.resize(100, 30)
        self.seen = ""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def sees(self, text: str) -> str:
        """Everything up to this text, which is then forgotten."""
        eventually_says(self._read, text)
        before, _, self.seen = self.seen.partition(text)
        return before

    def _read(self) -> str:
        if select.select([self.screen], [], [], 0.2)[0]:
            self.seen += os.read(self.screen, 65536).decode()
        return self.seen

    def exit_code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def typist(cluster: Cluster, pod: str) -> Iterator[Typist]:
    person = Typist(cluster.command("exec", "-it", pod, "--", "sh"))
    person.sees("# " if os.geteuid() == 0 else "$ ")
    yield person
    os.close(person.screen)


def test_a_shell_in_a_terminal_talks_resizes_and_is_interrupted(typist: Typist) -> None:
    typist.type("stty size; echo $TERM $GREETING\n")
    typist.sees("30 100\r\nxterm hello\r\n")
    typist.resize(120, 40)
    typist.type("while [ \"$(stty size)\" != '40 120' ]; do :; done; echo larger''now\n")
    typist.sees("largernow")
    typist.type("sh -c \"echo wait''ing; exec sleep 1000\"\n")
    typist.sees("waiting\r\n")
    typist.type("\x03")
    typist.type("exit 7\n")
    typist.sees("command terminated with exit code 7")
    assert typist.exit_code() == 7


def test_python_in_a_terminal_asks_and_answers(typist: Typist) -> None:
    typist.type("exec python\n")
    typist.sees(">>> ")
    typist.type("import socket; 'I am ' + socket.gethostname()\n")
    assert "I am web-" in typist.sees("'\r\n>>> ") + typist.seen
    typist.type("exit()\n")
    assert typist.exit_code() == 0
