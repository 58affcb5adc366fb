"""Requests that are nearly right: valid ones, spoilt at random. A seed always gives the same ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

NAMESPACE = "/api/v1/namespaces/malformed"
APPS = "/apis/apps/v1/namespaces/malformed"
BATCH = "/apis/batch/v1/namespaces/malformed"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"

LABELS = {"app": "web"}
LIMITS = {"limits": {"cpu": "250m", "memory": "64Mi"}}
CONTAINER = {"name": "web", "image": "local/web:v1", "ports": [{"containerPort": 3000}], "env": [], "resources": LIMITS}
POD = {"terminationGracePeriodSeconds": 30, "nodeName": "a", "containers": [CONTAINER]}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}}
STRATEGY = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
DEPLOYMENT = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": TEMPLATE, "strategy": STRATEGY}
MANAGED = {
    "manager": "me",
    "operation": "Update",
    "apiVersion": "v1",
    "time": "2026-01-02T03:04:05Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:finalizers": {'v:"a"': {}}}},
}
OBJECTS: dict[str, Any] = {
    f"{NAMESPACE}/configmaps": {"metadata": {"name": "a", "labels": LABELS}, "data": {"a": "b"}, "binaryData": {}},
    f"{NAMESPACE}/configmaps?fieldManager=other": {"metadata": {"name": "a", "managedFields": [MANAGED]}, "data": {}},
    f"{NAMESPACE}/secrets": {"metadata": {"name": "a"}, "stringData": {"a": "b"}, "type": "Opaque"},
    f"{NAMESPACE}/pods": {"metadata": {"name": "a", "labels": LABELS, "annotations": {}}, "spec": POD},
    f"{NAMESPACE}/services": {
        "metadata": {"name": "a"},
        "spec": {"selector": LABELS, "type": "NodePort", "ports": [{"port": 3000, "targetPort": 3000}]},
    },
    f"{NAMESPACE}/events": {
        "metadata": {"name": "a"},
        "involvedObject": {"namespace": "malformed", "kind": "Pod", "name": "a"},
        "message": "a",
        "count": 1,
    },
    f"{APPS}/deployments": {"metadata": {"name": "a"}, "spec": DEPLOYMENT},
    f"{BATCH}/jobs": {"metadata": {"name": "a"}, "spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
    "/api/v1/namespaces": {"metadata": {"name": "a"}},
}
# What is asked of one object; each is answered and none is stored.
ACTIONS: dict[str, Any] = {
    f"{NAMESPACE}/pods/a/binding": {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "a"}},
    f"{NAMESPACE}/pods/a/eviction": {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "a"},
        "deleteOptions": {"gracePeriodSeconds": 5, "preconditions": {"uid": "a"}},
    },
    "/api/v1/namespaces/a/finalize": {"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}},
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    },
    "/apis/authentication.k8s.io/v1/selfsubjectreviews": {"metadata": {}},
}
PATCHES: dict[str, Any] = {
    JSON_PATCH: [
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "copy", "from": "/metadata", "path": "/data"},
        {"op": "test", "path": "/kind", "value": "Pod"},
        {"op": "remove", "path": "/metadata/labels/a"},
    ],
    MERGE_PATCH: {"metadata": {"labels": {"a": None}, "annotations": {"a": "b"}}, "spec": {"replicas": 3}},
    STRATEGIC_PATCH: {
        "spec": {"template": {"spec": {"containers": [{"name": "web", "$patch": "delete"}]}}},
        "$retainKeys": ["a"],
        "$setElementOrder/containers": [{"name": "web"}],
        "$deleteFromPrimitiveList/finalizers": ["a"],
    },
    APPLY: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}},
}
QUERIES = (
    ("labelSelector", "app in (web,api),!x"),
    ("fieldSelector", "metadata.name=a"),
    ("limit", "1"),
    ("continue", "eyJ2"),
    ("resourceVersion", "1"),
    ("resourceVersionMatch", "Exact"),
    ("timeoutSeconds", "1"),
    ("dryRun", "All"),
    ("fieldManager", "me"),
    ("fieldValidation", "Strict"),
    ("force", "true"),
    ("gracePeriodSeconds", "0"),
    ("propagationPolicy", "Orphan"),
    ("sendInitialEvents", "true"),
    ("allowWatchBookmarks", "1"),
    ("pretty", "1"),
)
HEADERS = (
    "Accept",
    "Content-Type",
    "Content-Encoding",
    "Expect",
    "User-Agent",
    "Range",
    "If-Match",
    "X-Forwarded-For",
    "Upgrade",
    "Cookie",
    "Impersonate-User",
)
# What stands where something else should: of other types, empty, huge, deep, not text, of another language.
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    2**31,
    2**63,
    -(2**63) - 1,
    2**63 - 1,
    10**400,
    "",
    " ",
    "\0",
    "\ud800",
    "\uffff",
    "a" * 300,
    "../../etc",
    "-",
    "é",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"$patch": "replace"},
    {"$patch": 1},
    [{"name": 1}],
    "9" * 5000,
    {"a" * 300: {}},
    {"a\nb\0": 1},
    "9" * 5000 + "%",
    "1e99999",
)
ODD_TEXTS = (
    "",
    "x",
    "-1",
    "1.5",
    "9" * 400,
    "%",
    "%00",
    "%ff",
    "..",
    "a,b",
    "=",
    "!",
    "()",
    "in (",
    "\u00e9",
    "0x10",
    "true",
    "null",
    "{}",
    "a" * 5000,
    "9223372036854775808",
    ";",
    "*/*;q=x",
    "/",
    "\x7f",
)
ODD_BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"}",
    b"[" * 300,
    b'"',
    b"\\ud800",
    b"9" * 5000,
    b"e400",
    b"\r\n",
    b"---\n",
    b"&a",
    b"*a",
    b"!!int x",
    b"\t",
    b"? ",
    b": ",
    b"<<: 3",
    b"k8s\0",
    b"\x0a\xff\xff\xff\xff\x0f",
)
METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "X")
SUBRESOURCES = (
    "/status",
    "/scale",
    "/log",
    "/exec",
    "/portforward",
    "/binding",
    "/eviction",
    "/proxy/",
    "/nosuch",
    "/",
)


class Request(NamedTuple):
    """What is sent; ``headers`` are texts that are written as Latin-1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def encoded(self) -> bytes:
        """With the length of its body, as it goes over the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: a", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + self.body


def requests(seed: int, number: int) -> Iterator[Request]:
    """So many of a seed; each is spoilt one to three times."""
    random = Random(seed)
    for _ in range(number):
        request = _valid(random)
        for _ in range(random.randint(1, 3)):
            request = random.choice(SPOILERS)(random, request)
        yield request


def _valid(random: Random) -> Request:
    if random.random() < 0.1:
        path, obj = random.choice(list(ACTIONS.items()))
        return Request("PUT" if "finalize" in path else "POST", path, {"Content-Type": JSON}, _text(obj))
    path, obj = random.choice(list(OBJECTS.items()))
    method = random.choice(("GET", "GET", "POST", "POST", "POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE"))
    if method in ("PUT", "PATCH") or random.random() < 0.3:
        collection, question, query = path.partition("?")
        path = f"{collection}/a{question}{query}"
    if method == "PATCH":
        kind, content = random.choice(list(PATCHES.items()))
        return Request(method, path, {"Content-Type": kind}, _text(content))
    if method in ("POST", "PUT"):
        kind = random.choice((JSON, JSON, YAML, PROTOBUF))
        body = _protobuf(random) if kind == PROTOBUF and path.endswith("/configmaps") else _text(obj)
        return Request(method, path, {"Content-Type": kind}, body)
    return Request(method, path, {}, b"" if method == "GET" else _text({"propagationPolicy": "Background"}))


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _protobuf(random: Random) -> bytes:
    """A ConfigMap as Go's clients send it."""
    made = random.choice((0, 1, 2**31, 2**62))
    return config_map_in_protobuf(made, random.choice(ODD_TEXTS_IN_PROTOBUF), random.choice(ODD_FIELDS_IN_PROTOBUF))


ODD_TEXTS_IN_PROTOBUF = (b"a", b"a", b"a", b"", b"\xff", "é".encode())
ODD_FIELDS_IN_PROTOBUF = (b"{}", b'{"f:data":{}}', b"not json", b"\xff\xfe", b"[" * 100_000, b"")


def config_map_in_protobuf(created: int, text: bytes, fields: bytes, name: bytes = b"a") -> bytes:
    """A ConfigMap of that second, with that value, and with fields that somebody manages."""
    metadata = _field(1, name) + _field(8, _field(1, created) + _field(2, 5)) + _field(17, _field(7, _field(1, fields)))
    config_map = _field(1, metadata) + _field(2, _field(1, b"a") + _field(2, text))
    return b"k8s\0" + _field(1, _field(1, b"v1") + _field(2, b"ConfigMap")) + _field(2, config_map)


def _field(number: int, value: int | bytes) -> bytes:
    """One field of a protobuf message: its number and kind, then its value."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    head, rest = number & 0x7F, number >> 7
    return bytes([head | 0x80]) + _varint(rest) if rest else bytes([head])


# --- spoiling


def _other_value(random: Random, request: Request) -> Request:
    """One of the body's values is another."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return request
    places = list(_places(value))
    if places:
        holder, key = random.choice(places)
        holder[key] = random.choice(ODD_VALUES)
    return request._replace(body=_text(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _other_bytes(random: Random, request: Request) -> Request:
    """Bytes are put into the body, or it is cut."""
    at = random.randint(0, len(request.body))
    end = at if random.random() < 0.5 else random.randint(at, len(request.body))
    return request._replace(body=request.body[:at] + random.choice(ODD_BYTES) + request.body[end:])


def _deeper(random: Random, request: Request) -> Request:
    depth, (opening, closing) = random.choice((30, 300, 3000)), random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return request._replace(body=opening * depth + request.body + closing * depth)


def _many_operations(random: Random, request: Request) -> Request:
    operation = random.choice(PATCHES[JSON_PATCH])
    content = _text(
        [{"op": "add", "path": "/data", "value": {}}] + [operation] * random.choice((3, 20, 20, 200, 2000, 10_001))
    )
    return request._replace(method="PATCH", headers={"Content-Type": JSON_PATCH}, body=content)


def _query(random: Random, request: Request) -> Request:
    name, value = random.choice(QUERIES)
    value = value if random.random() < 0.5 else random.choice(ODD_TEXTS)
    sign = "&" if "?" in request.path else "?"
    return request._replace(
        path=f"{request.path}{sign}{name}={quote(value) if random.random() < 0.8 else _plain(value)}"
    )


def _path(random: Random, request: Request) -> Request:
    head, question, query = request.path.partition("?")
    parts = head.split("/")
    parts[random.randrange(1, len(parts))] = quote(random.choice(ODD_TEXTS), safe=random.choice(("", "%/")))
    return request._replace(path=_plain("/".join(parts)) + question + query)


def _subresource(random: Random, request: Request) -> Request:
    head, question, query = request.path.partition("?")
    return request._replace(path=head + random.choice(SUBRESOURCES) + question + query)


def _header(random: Random, request: Request) -> Request:
    value = random.choice((*ODD_TEXTS, JSON, YAML, "gzip", "text/html", "application/json;as=Table;g=meta.k8s.io;v=v1"))
    return request._replace(headers={**request.headers, random.choice(HEADERS): value})


def _method(random: Random, request: Request) -> Request:
    return request._replace(
        method=random.choice(("HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "X"))
    )


def _plain(text: str) -> str:
    """A blank would end the path."""
    return text.replace(" ", "%20").replace("\x7f", "%7f")


SPOILERS = (
    _other_value,
    _other_value,
    _other_value,
    _other_bytes,
    _other_bytes,
    _deeper,
    _many_operations,
    _query,
    _query,
    _path,
    _subresource,
    _header,
    _method,
)
