"""One cluster's folder: its keys, its port, its addresses, its data. ``POCKET_CLUSTER_HOME`` names another."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import socket
import ssl
import tempfile
from functools import cached_property
from pathlib import Path

from pocket_cluster.addresses import LOOPBACK, AddressRange, machine_has_one_address
from pocket_cluster.api.credentials import Credentials

NODE_NAME = "pocket"
CONTEXT_NAME = "pocket"
KUBERNETES_VERSION = "v1.36.3+pocket"

SHORTEST_TOKEN = 32

# Who may speak to the API server, and as what (the names that kubeadm gives).
USERS: dict[str, tuple[str, list[str]]] = {
    "admin": ("kubernetes-admin", ["system:masters", "system:authenticated"]),
    "apiserver": ("system:apiserver", ["system:masters", "system:authenticated"]),
    "controller-manager": ("system:kube-controller-manager", ["system:authenticated"]),
    "scheduler": ("system:kube-scheduler", ["system:authenticated"]),
    "kubelet": (f"system:node:{NODE_NAME}", ["system:nodes", "system:authenticated"]),
    "kube-proxy": ("system:kube-proxy", ["system:authenticated"]),
}


class HomeError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class Home:
    """The folder of one cluster. ``prepare`` makes what is missing in it; the rest reads."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()

    @classmethod
    def default(cls) -> Home:
        """``$POCKET_CLUSTER_HOME``, else ``~/.pocket-cluster``."""
        return cls(os.environ.get("POCKET_CLUSTER_HOME") or "~/.pocket-cluster")

    # --- what lies where

    @property
    def run_dir(self) -> Path:
        """Sockets, locks and process numbers: gone with the cluster's processes."""
        return self.path / "run"

    @property
    def logs_dir(self) -> Path:
        """One log file for each component."""
        return self.path / "logs"

    def log_of(self, process: str) -> Path:
        """The log of one of the cluster's processes."""
        return self.logs_dir / f"{process}.log"

    @property
    def images_dir(self) -> Path:
        return self.path / "images"

    @property
    def pods_dir(self) -> Path:
        return self.path / "pods"

    @property
    def database(self) -> Path:
        return self.path / "state.db"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    # --- making it

    def make_folders(self) -> None:
        """Make the folders; HomeError when this user may not write there."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._tokens_file.exists() or not any(self.path.iterdir()):  # a cluster's, and not /tmp for instance
                with contextlib.suppress(OSError):  # somebody else's; what is in it is private all the same
                    self.path.chmod(0o700)
            for folder in (self.run_dir, self.logs_dir, self.images_dir, self.pods_dir):
                folder.mkdir(exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self.path):  # nameless: another start may look at the same time
                pass
        except OSError as error:
            raise HomeError(
                f"The pocket cluster keeps its data in {self.path}, and that folder cannot be written"
                f" ({error.strerror}). Make it writable, or name another folder with POCKET_CLUSTER_HOME=FOLDER."
            ) from error

    def prepare(self) -> None:
        """Make tokens, port and kubeconfig where they are missing or damaged. The certificates must exist."""
        if not self._has_tokens():
            write_whole(self._tokens_file, json.dumps({name: secrets.token_urlsafe(32) for name in USERS}))
        port = _number_in(self._port_file)
        if port is None or not _port_is_free(port):
            write_whole(self._port_file, str(_free_port()))
        write_whole(self.kubeconfig, json.dumps(self._kubeconfig_content(), indent=2) + "\n")

    def _has_tokens(self) -> bool:
        try:
            found = json.loads(self._tokens_file.read_text())
        except (OSError, ValueError):
            return False
        return isinstance(found, dict) and found.keys() == USERS.keys() and all(map(_is_token, found.values()))

    def _kubeconfig_content(self) -> dict[str, object]:
        """A kubeconfig; JSON is YAML too."""
        authority = base64.b64encode((self.path / "ca.crt").read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT_NAME, "cluster": cluster}],
            "users": [{"name": CONTEXT_NAME, "user": {"token": self._named_tokens["admin"]}}],
            "contexts": [{"name": CONTEXT_NAME, "context": {"cluster": CONTEXT_NAME, "user": CONTEXT_NAME}}],
            "current-context": CONTEXT_NAME,
        }

    # --- credentials

    @property
    def _tokens_file(self) -> Path:
        return self.path / "tokens.json"

    @cached_property
    def _named_tokens(self) -> dict[str, str]:
        tokens: dict[str, str] = json.loads(self._tokens_file.read_text())
        return tokens

    def tokens(self) -> dict[str, tuple[str, list[str]]]:
        """For each bearer token the user and the groups that it stands for."""
        return {token: USERS[name] for name, token in self._named_tokens.items()}

    @property
    def kubelet_token(self) -> str:
        """What the API server presents to the kubelet."""
        return self._named_tokens["apiserver"]

    def credentials(self, component: str) -> Credentials:
        """How ``admin`` or a component is let in to the API server."""
        return Credentials(self.server, str(self.path / "ca.crt"), self._named_tokens[component])

    def server_ssl_context(self) -> ssl.SSLContext:
        """What the API server and the kubelet listen with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.path / "server.crt", self.path / "server.key")
        return context

    # --- port and addresses

    @property
    def _port_file(self) -> Path:
        return self.path / "api-port"

    @property
    def api_port(self) -> int:
        return int(self._port_file.read_text())

    @property
    def server(self) -> str:
        return f"https://{LOOPBACK}:{self.api_port}"

    @property
    def address_block(self) -> int | None:
        """The A of the 127.A.0.0/16 that this cluster used last, if it is known."""
        return _number_in(self._address_block_file)

    def keep_address_block(self, block: int) -> None:
        write_whole(self._address_block_file, str(block))

    @property
    def _address_block_file(self) -> Path:
        return self.path / "address-block"

    @cached_property
    def addresses(self) -> AddressRange:
        """How addresses that the API shows translate to this machine's."""
        assert self.address_block is not None, "addresses are claimed before anything asks for them"
        return AddressRange(self.address_block, self.run_dir / "ports.json" if machine_has_one_address() else None)

    # --- settings

    @property
    def proxy_mode(self) -> str:
        """``random`` or ``round-robin``: how kube-proxy chooses until the ConfigMap kube-system/kube-proxy says."""
        return os.environ.get("POCKET_CLUSTER_PROXY_MODE") or "random"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def _number_in(path: Path) -> int | None:
    """None where there is no such file, or one that a power cut left empty."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _is_token(found: object) -> bool:
    return isinstance(found, str) and len(found) >= SHORTEST_TOKEN


def private(path: str, flags: int) -> int:
    """An opener of files that are readable by the owner alone."""
    return os.open(path, flags, 0o600)


def write_whole(path: Path, text: str) -> None:
    """Write whole or not at all, readable by the owner alone; after a power cut it is the old or the new one."""
    unfinished = path.with_name(path.name + ".new")
    with open(unfinished, "w", opener=private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
