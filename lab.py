#!/usr/bin/env python3
"""Opens the course, or checks it. Needs Python and nothing else.

python3 lab.py          open the course in JupyterLab; the first time, install it into .venv
python3 lab.py test     run all tests, or with --quick those that take a minute; what else follows goes to pytest,
                        as in: test -k sliders
python3 lab.py lint     check the code: ruff, mypy, import-linter
python3 lab.py clean    remove .venv and what tools left behind; your own work in my/ stays
python3 lab.py link     print the address that opens the course on mybinder.org; from GitHub's OWNER/REPOSITORY,
                        which is taken from the git remote "origin", or from what follows, or asked for
python3 lab.py wheelhouse FOLDER
                        download into FOLDER what an installation needs, for machines of this kind without a network
python3 lab.py help     print this
"""

import os
import sys

if not (3, 11) <= sys.version_info < (3, 15):  # before anything that an older Python would not understand
    sys.exit(
        f"The course needs Python 3.11, 3.12, 3.13 or 3.14, and {sys.executable} is {sys.version.split()[0]}.\n"
        "Install one of them, then name it: python3.13 lab.py"
    )
if os.name == "nt":
    sys.exit("The course needs Linux or macOS. On Windows, run this in WSL (https://aka.ms/wsl): python3 lab.py")

import configparser
import hashlib
import re
import shutil
import ssl
import subprocess
import tempfile
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"  # written last: what is installed, and from which requirements
# Options of a run of all files, which are taken in an order of their own and told one by one.
FOR_ALL_FILES = {"--quick", "--write-inventory", "--collect-only"}
MOST_WORKERS = 12  # each may have a cluster of its own, of 130 MB
LEFT_BY_TOOLS = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis", "build", "dist")
# Settings of the learner's that would lead our own Python and pip astray; pip's choice of an index is respected.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
ENVIRONMENT |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
ENVIRONMENT |= {"PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
# JupyterLab's defaults for the course: no question about news before the first page, nothing asked of the network.
SETTINGS = (str(ROOT / "jupyter-settings"), os.environ.get("JUPYTER_CONFIG_PATH", ""))
ENVIRONMENT |= {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, SETTINGS))}


class Trouble(Exception):
    """Something that the user has to mend; the text says what happened and what to do."""


# --- the commands


def start(options: list[str]) -> int:
    """Open JupyterLab on the first notebook. Does not return: this process becomes Jupyter's."""
    install("course")
    first = answer_of("-c", "from kubechaos_helpers.files import open_copies; print(open_copies())")
    kubeconfig = answer_of("-m", "pocket_cluster", "kubeconfig")
    # Only terminals are led to the embedded cluster: kernels keep the learner's own KUBECONFIG.
    shell = ["env", f"KUBECONFIG={kubeconfig}", os.environ.get("SHELL", "/bin/sh")]
    command = [
        *(str(PYTHON), "-m", "jupyterlab", "--ServerApp.log_level=WARN", f"--ServerApp.root_dir={ROOT}"),
        f"--LabApp.default_url=/lab/tree/{urllib.parse.quote(Path(first).relative_to(ROOT).as_posix())}",
        f"--ServerApp.terminado_settings={ {'shell_command': shell} }",
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *([] if has_browser() else ["--no-browser"]),
        *options,
    ]
    print("Starting JupyterLab. Its address comes below; Ctrl+C here ends it.", flush=True)
    os.chdir(ROOT)
    os.execve(PYTHON, command, ENVIRONMENT)


def test(options: list[str]) -> int:
    install("test")
    if set(options) <= FOR_ALL_FILES:
        workers = min(3 * (os.cpu_count() or 1), MOST_WORKERS)  # most of them wait for a cluster
        plan = ("--dist", "loadfile", "--no-loadscope-reorder", "--by-unit", "-p", "no:nbval")
        options = ["-n", str(workers), *plan, *options]
    return run("-m", "pytest", *options)


def lint(_: list[str]) -> int:
    install("test")
    checks = (("ruff", "check", "--output-format", "concise", "."), ("mypy",), ("mypy", "--strict", "lab.py"))
    return max([*(run("-m", *check) for check in checks), run(str(VENV / "bin" / "lint-imports"))])


def clean(_: list[str]) -> int:
    if is_installed("course"):
        run("-m", "pocket_cluster", "down")
    for folder in (VENV, *(ROOT / name for name in LEFT_BY_TOOLS), *ROOT.glob("*.egg-info")):
        shutil.rmtree(folder, ignore_errors=True)
    print("Clean. Your own work in my/ is still there.")
    return 0


def link(options: list[str]) -> int:
    repository = options[0] if options else repository_of_the_remote() or ask_for_repository()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise Trouble(f"{repository} is no repository on GitHub. Name it as: python3 lab.py link OWNER/REPOSITORY")
    first = min((ROOT / "notebooks").glob("*.ipynb")).name
    print(f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/my/{urllib.parse.quote(first)}")
    return 0


def wheelhouse(options: list[str]) -> int:
    if len(options) != 1:
        raise Trouble("Name the folder: python3 lab.py wheelhouse FOLDER")
    folder = Path(options[0]).resolve()
    if not works(PYTHON, "-m", "pip", "--version"):
        make_environment()
    print(f"Downloading into {folder}", flush=True)
    if run("-m", "pip", "wheel", "--quiet", "--no-input", "--wheel-dir", str(folder), *needs()):
        raise Trouble("pip could not download all of it. Is this machine online?")
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    kind = answer_of("-c", "import platform as p; print(p.system(), p.machine(), 'and Python', p.python_version()[:4])")
    print(f"{folder} ({size:.0f} MB) has all for {kind}. For another kind, run the same there, with the same folder.")
    print(f"Without a network: PIP_NO_INDEX=1 PIP_FIND_LINKS={folder.as_uri()} python3 lab.py")
    return 0


def show_help(_: list[str]) -> int:
    print(__doc__)
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "": start,
    "test": test,
    "lint": lint,
    "clean": clean,
    "link": link,
    "wheelhouse": wheelhouse,
    "help": show_help,
}


# --- what is installed


def install(goal: str) -> None:
    """Have ``.venv`` hold what ``course`` or ``test`` needs. Costs nothing when it does."""
    if is_installed(goal):
        return
    if not STAMP.exists() or not works(PYTHON):
        make_environment()
    STAMP.unlink(missing_ok=True)
    print("Installing the course into .venv. This takes a minute or two, and happens once.", flush=True)
    pip_install("-r", "requirements.txt")
    if goal == "test":
        pip_install("-e", ".[course,test]")
    STAMP.write_text(f"{fingerprint()} course {goal}")


def is_installed(goal: str) -> bool:
    """Whether an installation was finished for ``goal``, from today's requirements, and its Python still runs."""
    known = STAMP.read_text().split() if STAMP.exists() else []
    return fingerprint() in known and goal in known and works(PYTHON)


def fingerprint() -> str:
    """Changes with what is to be installed, and with the folder: an environment does not survive being moved."""
    texts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "pyproject.toml")]
    return hashlib.sha256(b"".join([*texts, os.fsencode(ROOT)])).hexdigest()


def works(*command: str | Path) -> bool:
    """Whether a program (a Python, when it stands alone) can be run."""
    try:
        line = [*command, "-c", ""] if len(command) == 1 else command
        return subprocess.run(line, env=ENVIRONMENT, capture_output=True).returncode == 0
    except OSError:
        return False


def make_environment() -> None:
    """A new ``.venv`` with pip in it, by the first way that this Python has."""
    print("Making the environment .venv", flush=True)
    for find_pip in (pip_of_this_python, pip_of_the_system, pip_of_a_folder, pip_of_the_index):
        if find_pip() and works(PYTHON, "-m", "pip", "--version"):
            return
    admin = "" if os.geteuid() == 0 else "sudo "
    mend = f"{admin}apt install python3-venv" if shutil.which("apt") else f"{sys.executable} -m ensurepip --upgrade"
    raise Trouble(f"This Python has no pip, and none could be downloaded. Install it, then try again:\n    {mend}")


def pip_of_this_python() -> bool:
    return bool(find_spec("ensurepip")) and works(sys.executable, "-m", "venv", "--clear", VENV)


def pip_of_the_system() -> bool:
    """Debian and Ubuntu without python3-venv: their own pip, if there is one, can fill another environment."""
    bare = works(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    return bare and works(sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip")


def pip_of_a_folder() -> bool:
    """A folder of wheels that pip is set up for, such as ``lab.py wheelhouse`` fills."""
    folders = [url2pathname(urllib.parse.urlsplit(each).path) for each in pip_setting("find-links", "").split()]
    wheels = [wheel for folder in folders for wheel in Path(folder).glob("pip-*-py3-none-any.whl")]
    return any(works(PYTHON, wheel / "pip", "install", "--no-index", wheel) for wheel in wheels)


def pip_of_the_index() -> bool:
    """pip installs itself from its own wheel."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = download_pip(Path(folder))
        except (OSError, ValueError) as error:
            print(f"pip could not be downloaded: {error}")
            return False
        return works(PYTHON, wheel / "pip", "install", "--no-index", wheel)


def download_pip(folder: Path) -> Path:
    """The newest pip from the index that pip is set up for, checked against the sha256 that the index publishes."""
    index = pip_setting("index-url", "https://pypi.org/simple").rstrip("/") + "/pip/"
    context = ssl.create_default_context(cafile=pip_setting("cert", "") or None)

    def get(address: str) -> bytes:
        with urllib.request.urlopen(address, timeout=60, context=context) as answer:
            content: bytes = answer.read()
            return content

    links: list[tuple[str, str, str, str]] = re.findall(
        r'href="([^"]*/(pip-([\d.]+)-py3-none-any\.whl)#sha256=(\w{64}))"', get(index).decode()
    )
    if not links:
        raise ValueError(f"{index} lists no pip")
    link, name, _, sha256 = max(links, key=lambda found: [int(number) for number in found[2].split(".")])
    content = get(urllib.parse.urljoin(index, link))
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name} is not what {index} says it is")
    (folder / name).write_bytes(content)
    return folder / name


def pip_setting(name: str, default: str) -> str:
    """One of pip's settings, from where pip looks for it (pip.pypa.io, Configuration)."""
    files = configparser.RawConfigParser()
    user = Path.home()
    places = [Path("/etc/pip.conf"), user / ".pip/pip.conf", user / ".config/pip/pip.conf"]
    files.read([*places, os.environ.get("PIP_CONFIG_FILE", "")], encoding="utf-8")
    return os.environ.get(f"PIP_{name.upper().replace('-', '_')}", "") or files.get("global", name, fallback=default)


def pip_install(*requirements: str) -> None:
    """Run pip, showing the name of each package as it comes."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--log", str(VENV / "pip.log"), *requirements]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout
        for line in pip.stdout:
            lines.append(line)
            collecting = re.match(r"Collecting ([\w.-]+)", line)
            if collecting:
                print(collecting[1], end=" ", flush=True)
            elif line.startswith("Installing collected packages"):
                print("\nAll is here; unpacking it.", flush=True)
    if pip.returncode:
        print("\n" + "".join(line for line in lines if line.startswith("ERROR")) or "".join(lines[-20:]))
        is_full = any("[Errno 28]" in line for line in lines)
        why = "The disk is full, and the course needs 1 GB." if is_full else "Is this machine online?"
        raise Trouble(f"pip could not install the course. {why} All that pip said: {VENV / 'pip.log'}")


def needs() -> list[str]:
    """Every requirement of an installation, that of building included, and pip."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    extra: list[str] = project["optional-dependencies"]["course"]
    return ["pip", *settings["build-system"]["requires"], *project["dependencies"], *extra]


# --- where the course is published


def repository_of_the_remote() -> str:
    """OWNER/REPOSITORY when the git remote ``origin`` is on GitHub, else nothing."""
    try:
        command = ["git", "remote", "get-url", "origin"]
        address = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git
        return ""
    found = re.search(r"(?:@|//)github\.com(?::\d+)?[:/]+([^/]+/[^/]+?)(?:\.git)?/?$", address)
    return found[1] if found else ""


def ask_for_repository() -> str:
    if not sys.stdin.isatty():
        raise Trouble("The git remote is not on GitHub. Name the repository: python3 lab.py link OWNER/REPOSITORY")
    return input("Where is the course on GitHub? OWNER/REPOSITORY: ").strip()


# --- running


def run(*command: str) -> int:
    """Run the environment's Python, or one of its programs, in the course's folder."""
    program = [] if Path(command[0]).is_absolute() else [str(PYTHON)]
    return subprocess.run([*program, *command], cwd=ROOT, env=ENVIRONMENT).returncode


def answer_of(*command: str) -> str:
    """The last line that the environment's Python prints."""
    done = subprocess.run([PYTHON, *command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"{done.stderr}\nThe course could not be opened. To install it afresh: python3 lab.py clean")
    return done.stdout.strip().splitlines()[-1]


def has_browser() -> bool:
    """Without a screen, Python finds text browsers, and one of those would take the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        arguments = ["help"]
    name, options = (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else ("", arguments)
    if name not in COMMANDS:
        print(f"There is no command {name!r}.\n{__doc__}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[name](options)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
    except (Trouble, OSError) as trouble:
        print(trouble, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
