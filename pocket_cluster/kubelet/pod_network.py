"""The network as a pod's program sees it: an address and a name of its own, and the cluster's addresses and names.

Only the standard library: this runs in every pod. It replaces methods of ``socket.socket`` and look-ups of ``socket``,
through which all of Python's standard library goes. The wildcard means the pod's own address; localhost is an address
that only this pod uses; 10.244.x.y and 10.96.x.y lead to this cluster's range; ports below 1024 are shifted.

Service names (``svc``, ``svc.namespace``, ``svc.namespace.svc``, ``svc.namespace.svc.cluster.local``) stand in a file
that the kubelet keeps up to date: ``{"namespace/svc": ["10.96.0.10"]}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from pocket_cluster.addresses import AddressRange

WILDCARDS = ("", "0.0.0.0", "::")
LOCALHOST = "127.0.0.1"
CLUSTER_SUFFIX = ".cluster.local"
# Pods have 10.244.0.0 to 10.244.63.255; 64 higher in the third number is what each of them calls localhost.
LOCALHOST_OFFSET = 64
# ip(7): choose the port at connect, when both ends are known, so that one pod can have many connections.
IP_BIND_ADDRESS_NO_PORT = 24
MAPPED = "::ffff:"

real_socket: Any = socket.socket.__bases__[0]
real_getaddrinfo = socket.getaddrinfo
real_gethostbyaddr = socket.gethostbyaddr
real_uname = os.uname
real_stat = os.stat


class NetworkSettings(TypedDict):
    """What a pod needs to know of its network; ``port_table`` is a path where the machine has one address only."""

    hostname: str
    namespace: str
    address: str
    block: int
    port_table: str | None
    services: str


def localhost_of(address: str) -> str:
    """The address, as the cluster would show it, that the pod at ``address`` calls localhost."""
    first, second, third, fourth = address.split(".")
    return f"{first}.{second}.{int(third) + LOCALHOST_OFFSET}.{fourth}"


class PodNetwork:
    """The translation for one pod.

    It can be put in place before the pod is known (``become``), so that pods share the memory of that.
    """

    range: AddressRange
    hostname: str
    address: str
    localhost: str

    def __init__(self) -> None:
        self._services: dict[str, list[str]] = {}
        self._services_read = 0
        self._asked: WeakKeyDictionary[Any, tuple[str, int]] = WeakKeyDictionary()

    def become(self, settings: NetworkSettings) -> None:
        table = settings["port_table"]
        self.range = AddressRange(settings["block"], Path(table) if table else None)
        self.hostname = settings["hostname"]
        self.address = settings["address"]
        self.localhost = localhost_of(self.address)
        self._namespace = settings["namespace"]
        self._services_file = settings["services"]
        if "platform" in sys.modules:
            vars(sys.modules["platform"])["_uname_cache"] = None

    # --- addresses

    def to_bind(self, host: str, port: int) -> tuple[str, int]:
        """Where a program really listens that asks for this."""
        if host in WILDCARDS or host == self.address:
            return self.range.to_local_socket((self.address, port))
        if _is_localhost(host):
            return self.range.to_local_socket((self.localhost, port))
        return self.range.to_local_socket((self.resolve(host), port))

    def to_connect(self, host: str, port: int) -> tuple[str, int]:
        """Where a program really connects to. What listens on the wildcard answers on localhost too."""
        if host in WILDCARDS or _is_localhost(host):
            private = self.range.to_local_socket((self.localhost, port))
            return private if _is_taken(private) else self.range.to_local_socket((self.address, port))
        return self.range.to_local_socket((self.resolve(host), port))

    def to_show(self, host: str, port: int) -> tuple[str, int]:
        """What a program sees of a real address."""
        shown = self.range.to_cluster(host.removeprefix(MAPPED))
        if shown == host.removeprefix(MAPPED):
            return host, port
        return (LOCALHOST if shown == self.localhost else shown), self.range.to_cluster_port(port)

    # --- names

    def resolve(self, name: str) -> str:
        """One IPv4 address for a name or an address; gaierror when there is none."""
        addresses = self.addresses_of(name)
        if addresses is None:
            return str(real_getaddrinfo(name, None, socket.AF_INET)[0][4][0])
        return addresses[0]

    def addresses_of(self, name: str) -> list[str] | None:
        """The addresses of a name that this cluster answers for, or None; gaierror for one that does not exist."""
        name = name.rstrip(".").lower()
        if name == "localhost":
            return [LOCALHOST]
        if name == self.hostname:
            return [self.address]
        if _is_address(name):
            return [name]
        labels = name.removesuffix(CLUSTER_SUFFIX).removesuffix(".svc").split(".")
        found = self._service(labels)
        if found:
            return found
        if len(labels) == 1 or name.endswith((".svc", CLUSTER_SUFFIX)):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return None

    def _service(self, labels: list[str]) -> list[str] | None:
        if len(labels) > 2:
            return None
        namespace = labels[1] if len(labels) == 2 else self._namespace
        with contextlib.suppress(OSError, ValueError):
            changed = real_stat(self._services_file).st_mtime_ns
            if changed != self._services_read:
                self._services = json.loads(Path(self._services_file).read_text())
                self._services_read = changed
        return self._services.get(f"{namespace}/{labels[0]}")

    # --- putting it in place

    def install(self) -> None:
        """Let this process see the pod's network."""
        for name in ("bind", "connect", "connect_ex", "sendto", "getsockname", "getpeername", "_accept", "recvfrom"):
            setattr(socket.socket, name, _method(self, name))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "gethostname"):
            setattr(socket, name, getattr(self, f"_{name}"))
        vars(os)["uname"] = self._uname

    def _bind(self, sock: Any, address: Any) -> None:
        if not _is_internet(sock, address):
            real_socket.bind(sock, address)
            return
        real_socket.bind(sock, _for_family(sock, self.to_bind(*address[:2])))
        self._asked[sock] = (address[0] or "0.0.0.0", address[1])

    def _connect(self, sock: Any, address: Any) -> None:
        real_socket.connect(sock, self._destination(sock, address))

    def _connect_ex(self, sock: Any, address: Any) -> int:
        return int(real_socket.connect_ex(sock, self._destination(sock, address)))

    def _sendto(self, sock: Any, data: Any, *rest: Any) -> int:
        *flags, address = rest
        return int(real_socket.sendto(sock, data, *flags, self._destination(sock, address)))

    def _destination(self, sock: Any, address: Any) -> Any:
        """The real address, after giving the connection this pod's own as its source."""
        if not _is_internet(sock, address):
            return address
        host, port = self.to_connect(*address[:2])
        if host.startswith("127.") and not self.range.single and real_socket.getsockname(sock)[1] == 0:
            private = self.range.to_cluster(host) == self.localhost
            if sys.platform == "linux":
                real_socket.setsockopt(sock, socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            source = self.range.to_local(self.localhost if private else self.address)
            real_socket.bind(sock, _for_family(sock, (source, 0)))
        return _for_family(sock, (host, port))

    def _getsockname(self, sock: Any) -> Any:
        found = real_socket.getsockname(sock)
        if not _is_internet(sock, found):
            return found
        asked = self._asked.get(sock)
        if asked and (asked[0] in WILDCARDS or _is_localhost(asked[0])):
            port = asked[1] or self.range.to_cluster_port(found[1])
            return (asked[0], port, *found[2:])
        return (*self.to_show(*found[:2]), *found[2:])

    def _getpeername(self, sock: Any) -> Any:
        return self._shown(sock, real_socket.getpeername(sock))

    def _accept_(self, sock: Any) -> Any:
        descriptor, address = real_socket._accept(sock)
        return descriptor, self._shown(sock, address)

    def _recvfrom(self, sock: Any, *arguments: Any) -> Any:
        data, address = real_socket.recvfrom(sock, *arguments)
        return data, self._shown(sock, address)

    def _shown(self, sock: Any, address: Any) -> Any:
        if not _is_internet(sock, address):
            return address
        return (*self.to_show(*address[:2]), *address[2:])

    def _getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """A pod has IPv4 alone: what the cluster answers for, and the wildcard, are given as that."""
        name = host.decode() if isinstance(host, bytes) else host
        addresses = self.addresses_of(name) if name and ":" not in name else None
        if addresses is None and name:
            return real_getaddrinfo(host, port, family, type, proto, flags)
        if family == socket.AF_INET6:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found: list[Any] = []
        wanted: list[str | None] = [*addresses] if addresses else [None]
        for address in wanted:
            found += real_getaddrinfo(address, port, socket.AF_INET, type, proto, flags)
        return found

    def _gethostbyname(self, name: str) -> str:
        return "0.0.0.0" if name == "" else self.resolve(name)

    def _gethostbyname_ex(self, name: str) -> tuple[str, list[str], list[str]]:
        return name, [], self.addresses_of(name) or [self.resolve(name)]

    def _gethostbyaddr(self, address: str) -> tuple[str, list[str], list[str]]:
        if address in (self.hostname, self.address):
            return self.hostname, [], [self.address]
        if _is_localhost(address):
            return "localhost", [], [LOCALHOST]
        if self.range.to_local(address) != address:
            raise socket.herror(1, "Unknown host")
        return real_gethostbyaddr(address)

    def _gethostname(self) -> str:
        return self.hostname

    def _uname(self) -> os.uname_result:
        system, _, release, version, machine = real_uname()
        return os.uname_result((system, self.hostname, release, version, machine))


def _method(network: PodNetwork, name: str) -> Any:
    call = getattr(network, "_accept_" if name == "_accept" else f"_{name}")

    def method(self: socket.socket, *arguments: Any) -> Any:
        return call(self, *arguments)

    method.__name__ = name
    return method


def _is_internet(sock: Any, address: Any) -> bool:
    return (
        sock.family in (socket.AF_INET, socket.AF_INET6)
        and isinstance(address, tuple)
        and len(address) >= 2
        and isinstance(address[0], str)
        and isinstance(address[1], int)
    )


def _for_family(sock: Any, address: tuple[str, int]) -> tuple[str, int]:
    """An IPv6 socket reaches IPv4 addresses by their mapped form, if it is not kept to IPv6."""
    if sock.family != socket.AF_INET6 or ":" in address[0]:
        return address
    with contextlib.suppress(OSError):
        real_socket.setsockopt(sock, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return MAPPED + address[0], address[1]


def _is_localhost(host: str) -> bool:
    return host in ("localhost", "::1") or (host.startswith("127.") and _is_address(host))


def _is_address(name: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)
    except OSError:
        return False
    return True


def _is_taken(address: tuple[str, int]) -> bool:
    """Whether something listens there; found without connecting to it."""
    probe = real_socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    except OSError:
        return True
    finally:
        probe.close()
    return False
