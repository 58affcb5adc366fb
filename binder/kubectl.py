"""Puts kubectl into ~/.local/bin on Linux, or says why not and goes on: the course does without. No root is needed.

    python3 binder/kubectl.py

The version is the one that the tests use. Each checksum is what https://dl.k8s.io/release/VERSION/bin/linux/MACHINE/
kubectl.sha256 says.
"""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from pathlib import Path

ADDRESS = "https://dl.k8s.io/release/{version}/bin/linux/{machine}/kubectl"
VERSION = "v1.36.3"
# By what `uname -sm` says: Kubernetes' name for the machine, and the SHA-256 of its kubectl.
BUILDS = {
    "Linux x86_64": ("amd64", "ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336"),
    "Linux aarch64": ("arm64", "3d86f24401c41ae5a46ac50eef8865fe891d3647d324a0836f6c63757a126e62"),
}
SECONDS = 60.0


def install(folder: Path) -> str:
    """Fetch kubectl into ``folder`` unless it is there; a sentence about what became of it."""
    kind = f"{os.uname().sysname} {os.uname().machine}"
    if kind not in BUILDS:
        return f"No kubectl for {kind} is known here. The course does without; kubernetes.io/docs/tasks/tools has it."
    machine, sha256 = BUILDS[kind]
    program, address = folder / "kubectl", ADDRESS.format(version=VERSION, machine=machine)
    if program.exists() and digest(program.read_bytes()) == sha256:
        return f"kubectl {VERSION} is in {folder}."
    try:
        content = download(address)
    except (OSError, http.client.HTTPException) as error:
        return f"kubectl could not be fetched from {address}: {error}. The course does without."
    if digest(content) != sha256:
        return f"{address} is not kubectl {VERSION}: its checksum is another. It was not kept; the course does without."
    write(program, content)
    return f"kubectl {VERSION} is in {folder}."


def download(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        content: bytes = answer.read()
        return content


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(program: Path, content: bytes) -> None:
    """Whole or not at all: somebody may be running the one that is there."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=program.parent, delete=False) as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)
    Path(file.name).rename(program)


if __name__ == "__main__":
    print(install(Path.home() / ".local" / "bin"))
