"""A pod's log, fetched from its node's kubelet (pkg/registry/core/pod/strategy.go, LogLocation)."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from aiohttp import web

from pocket_cluster.api.objects import Object, name, namespace
from pocket_cluster.apiserver import errors
from pocket_cluster.apiserver.kubelets import Kubelets, unreachable

PASSED_ON = ("follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps")


class PodLogs:
    """Passes the kubelet's answer on as it comes."""

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets

    async def answer(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """Stream the log of a pod's container; a Status when there is none to read."""
        container = _container(pod, request.query)
        node = (pod.get("spec") or {}).get("nodeName")
        if not node:
            return web.Response(text="")  # a pod without a node has said nothing yet
        url = f"{self._kubelets.url(node)}/containerLogs/{namespace(pod)}/{name(pod)}/{container}"
        query = {option: request.query[option] for option in PASSED_ON if option in request.query}
        try:
            async with self._kubelets.session.get(url, params=query) as answer:
                if answer.status >= 400:
                    raise errors.bad_request((await answer.text()).strip())
                return await _pass_on(request, answer)
        except aiohttp.ClientConnectionError as error:
            raise unreachable(node, error) from None


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
