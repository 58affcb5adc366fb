"""The way from the API server to the kubelets: where each listens, and one authenticated session for all."""

from __future__ import annotations

import ssl

import aiohttp

from pocket_cluster.api.resources import NODES
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.store import Store

# A stream lasts as long as somebody is at both ends; only reaching the kubelet has a limit.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)


class Kubelets:
    """Finds a kubelet by its Node object; it believes whoever shows the home's kubelet token."""

    def __init__(self, store: Store, ca_file: str, token: str) -> None:
        self._store = store
        self._token = token
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def url(self, node: str) -> str:
        """The root of that node's kubelet; NotFound when there is no such Node."""
        entry = self._store.get(BY_RESOURCE[NODES].collection, node)
        if entry is None:
            raise errors.not_found(NODES, node)
        status = entry.object.get("status") or {}
        addresses = {address["type"]: address["address"] for address in status.get("addresses") or []}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        return f"https://{addresses.get('InternalIP')}:{port}"

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._ca_file)
            # No limit on connections: each stream that somebody watches holds one.
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}"},
                connector=aiohttp.TCPConnector(ssl=context, limit=0),
                timeout=TIMEOUT,
            )
        return self._session


def unreachable(node: str, error: Exception) -> errors.StatusError:
    return errors.internal(f"the kubelet of node {node} could not be reached: {error}")
