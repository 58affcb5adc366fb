"""Images: folders made from build contexts, found by name.

``images/index.json`` leads from a name to a digest; ``images/<digest>/`` has ``config.json`` and ``root/``, the files.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import hashlib
import json
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from pocket_cluster.home import Home
from pocket_cluster.kubelet.containerfile import ContainerfileError, Copy, Recipe, parse
from pocket_cluster.paths import inside

FILE_NAMES = ("Containerfile", "Dockerfile")
# Folders that the machine has as well: an image owns only what it puts into them.
SHARED_FOLDERS = frozenset(
    {"/", "/bin", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run"}
    | {"/sbin", "/srv", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib"}
    | {"/usr/sbin", "/usr/share", "/usr/src", "/var", "/var/lib", "/var/log", "/var/run"}
)


class ImageError(Exception):
    """An image cannot be built or found; the text says why and what to do."""


class InvalidImageName(Exception):
    """Not the name of an image, in the words of Docker's reference library."""


class ImageName(NamedTuple):
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. ``owned`` are the absolute paths in ``root`` that are the image's and not the machine's."""

    digest: str
    root: Path
    environment: dict[str, str]
    working_directory: str
    entrypoint: list[str]
    command: list[str]
    owned: list[str]


# --- names


def normalise(name: str) -> str:
    """``kubechaos`` → ``docker.io/library/kubechaos:latest``, as Docker reads names; InvalidImageName if it is none."""
    path, at, digest = name.partition("@")
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = path, ""
    first, slash, rest = repository.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", repository if slash else f"library/{repository}"
    _check(rest, tag, repository)
    if at and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise InvalidImageName("invalid reference format")
    return f"{first}/{rest}" + (f":{tag}" if tag else "" if at else ":latest") + (at + digest)


def _check(path: str, tag: str, shown: str) -> None:
    component = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    if re.fullmatch(rf"{component}(/{component})*", path) and re.fullmatch(r"(\w[\w.-]{0,127})?", tag):
        return
    if path != path.lower() and re.fullmatch(rf"{component}(/{component})*", path.lower()):
        raise InvalidImageName(f"invalid reference format: repository name ({shown}) must be lowercase")
    raise InvalidImageName("invalid reference format")


def familiar(normalised: str) -> str:
    """The shortest way to write a name: ``local/kubechaos:v1``."""
    return normalised.removeprefix("docker.io/").removeprefix("library/")


# --- the store


def find_image(images: Path, name: str) -> Image | None:
    """The image of that name in a store, or None; InvalidImageName if it cannot be one."""
    digest = _read_index(images).get(normalise(name))
    if digest is None:
        return None
    folder = images / digest.replace(":", "-")
    config = json.loads((folder / "config.json").read_text())
    return Image(
        digest,
        folder / "root",
        config["environment"],
        config["working_directory"],
        config["entrypoint"],
        config["command"],
        config["owned"],
    )


def list_images(home: Home) -> list[ImageName]:
    """All images by name, written as people write them."""
    return sorted(ImageName(familiar(name), digest) for name, digest in _read_index(home.images_dir).items())


def _read_index(images: Path) -> dict[str, str]:
    try:
        index: dict[str, str] = json.loads((images / "index.json").read_text())
    except FileNotFoundError:
        return {}
    return index


def _add_to_index(images: Path, name: str, digest: str) -> None:
    with open(images / "index.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        index = {**_read_index(images), name: digest}
        unfinished = images / "index.json.new"
        unfinished.write_text(json.dumps(index, indent=1, sort_keys=True))
        unfinished.replace(images / "index.json")


# --- building


def build_image(home: Home, context: Path | str, name: str) -> str:
    """Build the folder ``context`` into the image ``name``, also while no cluster runs; returns its digest.

    Raises ImageError with a sentence for the user. What was built under that name before stays until this succeeds.
    A Python file with an error in it is no obstacle: the pod will say so, as on any cluster.
    """
    folder = Path(context).expanduser().absolute()
    try:
        full_name = normalise(name)
    except InvalidImageName as error:
        raise ImageError(f"{name!r} cannot name an image: {error}. Write a name such as local/kubechaos:v2.") from error
    file = _containerfile(folder)
    home.images_dir.mkdir(parents=True, exist_ok=True)
    with _scratch_folder(home.images_dir) as scratch:
        try:
            recipe = parse(file.read_text())
            owned = _copy_all(recipe, folder, scratch / "root")
        except ContainerfileError as error:
            raise ImageError(f"{file}, {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ImageError(f"{file} could not be built: {error}.") from error
        digest = _finish(scratch, recipe, owned)
        _add_to_index(home.images_dir, full_name, digest)
    return digest


def _containerfile(folder: Path) -> Path:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ImageError(f"The build context {folder} {what}. Name the folder that has the Containerfile in it.")
    for name in FILE_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise ImageError(f"There is no Containerfile in {folder}. Write one, starting with the line: FROM python:3.13-slim")


@contextlib.contextmanager
def _scratch_folder(images: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=".building-", dir=images))
    try:
        (scratch / "root").mkdir()
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copy_all(recipe: Recipe, context: Path, root: Path) -> list[str]:
    """Copy what the recipe names into ``root``; returns the paths that the image owns."""
    owned = {recipe.working_directory} - SHARED_FOLDERS
    inside(root, recipe.working_directory).mkdir(parents=True, exist_ok=True)
    for copy in recipe.copies:
        for path in _sources(copy, context):
            owned |= _copy_one(path, copy.target, root)
    return sorted(owned)


def _sources(copy: Copy, context: Path) -> Iterator[Path]:
    for pattern in copy.sources:
        within = os.path.normpath(pattern.lstrip("/") or ".")
        if within.split("/")[0] == "..":
            raise ContainerfileError(
                copy.line, f"COPY {pattern} leads out of the build context {context}. Copy the file into it first."
            )
        found = sorted(context.glob(within)) if re.search(r"[*?\[]", within) else [context / within]
        if not found or not found[0].exists():
            raise ContainerfileError(
                copy.line, f"COPY {pattern}: there is no such file in {context}. Check its name and letter case."
            )
        for path in found:
            if not path.resolve().is_relative_to(context.resolve()):
                raise ContainerfileError(
                    copy.line, f"COPY {pattern} is a link that leads out of {context}. Put the file itself there."
                )
        yield from found


def _copy_one(source: Path, target: str, root: Path) -> set[str]:
    if source.is_dir():  # a folder's content is copied, not the folder
        folder = target.rstrip("/") or "/"
        _copy_content(source, inside(root, folder), root)
        entries = {posixpath.join(folder, entry.name) for entry in source.iterdir()}
        return entries if folder in SHARED_FOLDERS else {folder}
    if target.endswith("/") or inside(root, target).is_dir():
        target = posixpath.join(target, source.name)
    place = inside(root, target)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)
    parent = posixpath.dirname(target)
    return {target if parent in SHARED_FOLDERS else parent}


def _copy_content(source: Path, place: Path, root: Path) -> None:
    """Links stay links, as Docker has it; one that an earlier COPY brought is followed inside ``root`` alone."""
    place.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        there = place / entry.name
        if entry.is_dir() and not entry.is_symlink():
            _copy_content(entry, inside(root, f"/{there.relative_to(root)}"), root)
            continue
        if not entry.is_symlink() and not entry.is_file():
            raise OSError(f"{entry} is neither a file nor a folder nor a link")
        if there.is_symlink() or there.is_file():
            there.unlink()
        shutil.copy(entry, there, follow_symlinks=False)


def _finish(scratch: Path, recipe: Recipe, owned: list[str]) -> str:
    """Write the configuration, name the folder by its content, return the digest."""
    (scratch / "config.json").write_text(json.dumps({**asdict(recipe), "owned": owned}, indent=1, sort_keys=True))
    digest = _digest(scratch)
    # Compiled here once, and not by every pod: half a megabyte of memory for each. It is no part of the digest.
    compileall.compile_dir(scratch / "root", force=True, quiet=2)
    folder = scratch.parent / digest.replace(":", "-")
    with contextlib.suppress(FileExistsError, OSError):
        if not folder.exists():
            scratch.rename(folder)
    return digest


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        link = str(path.readlink()) if path.is_symlink() else ""
        executable = bool(path.lstat().st_mode & 0o100)
        total.update(f"{path.relative_to(folder)}\0{link or path.is_dir()}\0{executable}\0".encode())
        if path.is_file() and not link:
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"
