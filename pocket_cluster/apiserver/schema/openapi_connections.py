"""The paths of OpenAPI that lead to what pods run and serve: exec, port-forward and the proxies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket_cluster.api.resources import PODS, SERVICES, Resource

STREAMING = ("get", "post")
PROXYING = ("get", "put", "post", "delete", "options", "head", "patch")
PATH = "The path of the request to the object, as part of its own."
# Resource: subresource, kind of its options, methods, what may stand in the query.
CONNECTIONS: dict[Resource, tuple[tuple[str, str, tuple[str, ...], dict[str, str]], ...]] = {
    PODS: (
        (
            "exec",
            "PodExecOptions",
            STREAMING,
            {
                "command": "The program and its arguments, each in a parameter of its own; no shell reads them.",
                "container": "Where to run it; the pod's only container if there is one.",
                "stderr": "Send what it says on standard error.",
                "stdin": "Let it read what the client sends.",
                "stdout": "Send what it says on standard output.",
                "tty": "Give it a terminal.",
            },
        ),
        ("portforward", "PodPortForwardOptions", STREAMING, {"ports": "The ports, for clients that use channels."}),
        ("proxy", "PodProxyOptions", PROXYING, {"path": PATH}),
    ),
    SERVICES: (("proxy", "ServiceProxyOptions", PROXYING, {"path": PATH}),),
}
TYPES = dict.fromkeys(("stderr", "stdin", "stdout", "tty"), "boolean") | {"ports": "integer"}


def connection_paths(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths of one resource's connections, and what can be done there."""
    for part, kind, methods, query in CONNECTIONS.get(resource, ()):
        path = f"{resource.path('{namespace}')}/{{name}}/{part}"
        places = {"name": f"name of the {kind}", "namespace": "The object's namespace."}
        parameters = [*_parameters("path", places), *_parameters("query", query)]
        operations = {method: _operation(method, part, resource, kind) for method in methods}
        yield path, operations | {"parameters": parameters}
        if part == "proxy":
            below = _parameters("path", {"path": "The path of the request to the object."})
            yield f"{path}/{{path}}", operations | {"parameters": [*parameters, *below]}


def _operation(method: str, part: str, resource: Resource, kind: str) -> dict[str, Any]:
    return {
        "description": f"connect {method.upper()} requests to {part} of {resource.kind}",
        "responses": {"200": {"description": "OK", "content": {"*/*": {"schema": {"type": "string"}}}}},
        "x-kubernetes-action": "connect",
        "x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": kind},
    }


def _parameters(place: str, texts: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name, text in texts.items():
        schema = {"type": TYPES.get(name, "string"), "uniqueItems": True}
        required = {"required": True} if place == "path" else {}
        yield {"name": name, "in": place, "description": text, **required, "schema": schema}
