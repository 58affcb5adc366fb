"""A pod's log, fetched from its node's kubelet (pkg/registry/core/pod/strategy.go, LogLocation)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from pocket_cluster.api.objects import Object, name, namespace
from pocket_cluster.api.resources import NODES
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.registry import BY_RESOURCE
from pocket_cluster.apiserver.store import Store

PASSED_ON = ("follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps")


class PodLogs:
    """Finds the kubelet by the Node object and passes its answer on as it comes."""

    def __init__(self, store: Store, ca_file: str, token: str) -> None:
        self._store = store
        self._token = token
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def answer(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """Stream the log of a pod's container; a Status when there is none to read."""
        container = _container(pod, request.query)
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            return web.Response(text="")  # a pod without a node has said nothing yet
        url = f"{self._kubelet(node)}/containerLogs/{namespace(pod)}/{name(pod)}/{container}"
        query = {option: request.query[option] for option in PASSED_ON if option in request.query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with self._open().get(url, params=query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise errors.bad_request((await answer.text()).strip())
                return await _pass_on(request, answer)
        except aiohttp.ClientConnectionError as error:
            raise errors.internal(f"the kubelet of node {node} could not be reached: {error}") from None

    def _kubelet(self, node: str) -> str:
        entry = self._store.get(BY_RESOURCE[NODES].collection, node)
        if entry is None:
            raise errors.not_found(NODES, node)
        status = entry.object.get("status") or {}
        addresses = {address["type"]: address["address"] for address in status.get("addresses") or []}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        return f"https://{addresses.get('InternalIP')}:{port}"

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._ca_file)
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}"}, connector=aiohttp.TCPConnector(ssl=context)
            )
        return self._session


def _container(pod: Object, query: Mapping[str, str]) -> str:
    """The container that the query names, or the only one; BadRequest when there is a choice or no such."""
    spec = pod.get("spec") or {}
    names = [each["name"] for part in ("initContainers", "containers") for each in spec.get(part) or []]
    wanted = query.get("container", "")
    if wanted and wanted not in names:
        raise errors.bad_request(f"container {wanted} is not valid for pod {name(pod)}")
    if wanted:
        return wanted
    regular = [each["name"] for each in spec.get("containers") or []]
    if len(names) == 1:
        return str(regular[0])
    listed = " ".join(regular)
    message = f"a container name must be specified for pod {name(pod)}, choose one of: [{listed}]"
    if spec.get("initContainers"):
        initial = " ".join(each["name"] for each in spec["initContainers"])
        message += f" or one of the init containers: [{initial}]"
    raise errors.bad_request(message)


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    return response
