"""What a container finds when it starts: its files, its programs ``python`` and ``hostname``, its working directory."""

from __future__ import annotations

import json
import os
import posixpath
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pocket_cluster.home import Home
from pocket_cluster.kubelet.container_process import ContainerSettings
from pocket_cluster.kubelet.images import Image
from pocket_cluster.kubelet.interpreter import PYTHON_NAMES, of_the_loader
from pocket_cluster.kubelet.mounts import UNABLE, CannotStart, mount_all
from pocket_cluster.kubelet.pod_network import NetworkSettings
from pocket_cluster.paths import inside, resolve

SITE_CUSTOMIZE = """\
import os, sys
if "POCKET_CONTAINER" in os.environ:
    sys.path.insert(0, {library!r})
    from pocket_cluster.kubelet.container_process import enter_cold
    sys.path.remove({library!r})
    enter_cold(os.environ["POCKET_CONTAINER"])
"""
# Options that would keep the interpreter from reading sitecustomize; a pod sees nothing of the cluster's Python anyway.
PYTHON_PROGRAM = """\
#!/bin/sh
while :; do case "$1" in -I|-E|-S|-s) shift ;; *) break ;; esac; done
export POCKET_CONTAINER={settings} PYTHONPATH={site}"${{PYTHONPATH:+:$PYTHONPATH}}"
{loader}exec {python} -s "$@"
"""
HOSTNAME_PROGRAM = """\
#!/bin/sh
echo {hostname}
"""


def site_folder(home: Home) -> Path:
    """The folder with the ``sitecustomize`` that makes a cold interpreter a pod's."""
    return home.run_dir / "site"


def write_site(home: Home) -> None:
    """Make that folder."""
    folder = site_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    library = str(Path(__file__).parent.parent.parent)
    (folder / "sitecustomize.py").write_text(SITE_CUSTOMIZE.format(library=library))


def network_settings(home: Home, namespace: str, hostname: str, address: str) -> NetworkSettings:
    addresses = home.addresses
    return {
        "hostname": hostname,
        "namespace": namespace,
        "address": address,
        "block": addresses.block,
        "port_table": str(home.run_dir / "ports.json") if addresses.single else None,
        "services": str(home.run_dir / "services.json"),
    }


def make_container(
    folder: Path,
    image: Image,
    argv: list[str],
    environment: Mapping[str, str],
    working_directory: str,
    mounts: Mapping[str, Path],
    network: NetworkSettings,
    home: Home,
) -> ContainerSettings:
    """Make a container's folder afresh. ``mounts``: paths in the container to files or folders of this machine.

    CannotStart, in runc's words, for a mount or a working directory that cannot be had.
    """
    root, programs = folder / "root", folder / "bin"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(image.root, root, symlinks=True)
    inside(root, "/tmp").mkdir(parents=True, exist_ok=True)
    placed = mount_all(root, mounts)
    owned = {*image.owned, "/tmp", *placed, *(posixpath.normpath(f"/{path.lstrip('/')}") for path in mounts)}
    working_directory = _working_directory(working_directory, root, placed, owned)
    settings: ContainerSettings = {
        "argv": argv,
        "environment": {**environment, "PATH": _search_path(programs, environment, owned, root)},
        "working_directory": _on_machine(working_directory, owned, root),
        "home": str(home.path),
        "root": str(root),
        "owned": sorted(owned - {"/"}),
        "programs": str(programs),
        "title": network["hostname"][-15:],
        "network": network,
    }
    _write_programs(programs, settings, site_folder(home))
    return settings


def _working_directory(path: str, root: Path, placed: Mapping[str, Path], owned: set[str]) -> str:
    """The path, resolved; it is made, and becomes the container's own, where it is not one of this machine."""
    if not path.startswith("/"):
        raise CannotStart("Cwd must be an absolute path")
    failed = f"{UNABLE}error during container init: mkdir {path}: "
    try:
        resolved = resolve(root, path, placed)
        if _lies_in(resolved, owned) or not Path(resolved).is_dir():
            owned.add(resolved)
            inside(root, resolved, placed).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CannotStart(f"{failed}not a directory") from None
    except ValueError:  # a NUL in it
        raise CannotStart(f"{failed}invalid argument") from None
    except OSError as error:
        raise CannotStart(f"{failed}{(error.strerror or str(error)).lower()}") from None
    return resolved


def _search_path(programs: Path, environment: Mapping[str, str], owned: set[str], root: Path) -> str:
    """The image's PATH with the container's own programs first and its own folders translated."""
    folders = [folder for folder in environment.get("PATH", os.defpath).split(":") if folder]
    return ":".join([str(programs), *(_on_machine(folder, owned, root) for folder in folders)])


def _on_machine(path: str, owned: set[str], root: Path) -> str:
    if path == "/":  # a program in / works in the container's root, where its files are
        return str(root)
    return str(root / path.lstrip("/")) if _lies_in(path, owned) else path


def _lies_in(path: str, owned: set[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in owned if folder != "/")


def _write_programs(programs: Path, settings: ContainerSettings, site: Path) -> None:
    programs.mkdir(parents=True, exist_ok=True)
    file = programs.parent / "settings.json"
    file.write_text(json.dumps(settings))
    python = PYTHON_PROGRAM.format(
        settings=shlex.quote(str(file)),
        site=shlex.quote(str(site)),
        python=shlex.quote(getattr(sys, "_base_executable", sys.executable)),
        loader="".join(f"export {name}={shlex.quote(value)}\n" for name, value in of_the_loader().items()),
    )
    _write_program(programs / PYTHON_NAMES[0], python)
    for name in PYTHON_NAMES[1:]:
        if not (programs / name).exists():
            (programs / name).symlink_to(PYTHON_NAMES[0])
    _write_program(programs / "hostname", HOSTNAME_PROGRAM.format(hostname=settings["network"]["hostname"]))


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o700)


def start_failure(settings: ContainerSettings) -> str:
    """Why the program cannot be started, as runc says it; empty when it can."""
    program, root = settings["argv"][0], Path(settings["root"])
    if not Path(settings["working_directory"]).is_dir():
        shown = settings["working_directory"].removeprefix(str(root))
        return f"error during container init: mkdir {shown}: not a directory"
    if program.startswith("/"):
        place = Path(_on_machine(program, set(settings["owned"]), root))
        if posixpath.basename(program) in PYTHON_NAMES:
            return ""
        if not place.exists():
            return f'exec: "{program}": stat {program}: no such file or directory'
        return "" if place.is_file() and os.access(place, os.X_OK) else f'exec: "{program}": permission denied'
    found = shutil.which(program, path=settings["environment"]["PATH"])
    if "/" in program:
        found = shutil.which(str(Path(settings["working_directory"]) / program))
    return "" if found else f'exec: "{program}": executable file not found in $PATH'
