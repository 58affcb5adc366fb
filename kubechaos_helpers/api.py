"""Requests to the Kubernetes API through the official client: its credentials, its TLS, plain dictionaries."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.probe_job import Credentials
from kubechaos_helpers.strategic_patch import Schema, schema_of

Object = dict[str, Any]
ANYTHING = "*/*"  # what kubectl asks for logs with; they come as text
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TIMEOUT = 30.0
STARTS_AGAIN = "Run connect() again: it starts the pocket cluster if that is down."
# How many seconds a server that ends a watch may be late before the connection counts as broken.
PATIENCE = 5.0


class Refused(CourseError):
    """The API server said no. ``code``, ``reason`` and ``message`` are its own."""

    def __init__(self, status: Mapping[str, Any], text: str = "") -> None:
        self.code = int(status.get("code") or 0)
        self.reason = str(status.get("reason") or "")
        self.message = str(status.get("message") or text or "the request was refused")
        self.causes: list[Mapping[str, str]] = (status.get("details") or {}).get("causes") or []
        super().__init__(f"The cluster refused this: {self.message}")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the API serves one kind."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    names: frozenset[str]

    @property
    def full_name(self) -> str:
        """``deployment.apps``, as kubectl prints it."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    @property
    def group_version(self) -> str:
        """``apps/v1``, as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group_version}" if self.group else f"/api/{self.group_version}"
        place = f"/namespaces/{namespace}" if self.namespaced else ""
        return root + place + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


class Api:
    """One cluster. ``client`` is an ApiClient of the official package; ``advice`` is for when it does not answer."""

    def __init__(self, client: Any, advice: str = STARTS_AGAIN) -> None:
        self._client, self._advice = client, advice

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """The decoded answer. Refused when the server refuses, CourseError when it cannot be reached."""
        response = self._open(method, path, query, body, content_type, accept, TIMEOUT)
        text = response.data.decode()
        if response.status >= 400:
            raise _refusal(text, response.status)
        for warning in response.headers.getlist("Warning"):  # such as: 299 - "the text"
            print(f"Warning: {warning.partition(chr(34))[2].rstrip(chr(34))}")
        return text if accept == ANYTHING else json.loads(text)

    def find(self, path: str) -> Object | None:
        """One object, or None when there is none of that name."""
        try:
            found: Object = self.request("GET", path)
        except Refused as refusal:
            if refusal.code == 404:
                return None
            raise
        return found

    def watch(self, path: str, query: Mapping[str, str], seconds: int) -> Iterator[Object]:
        """The events of a watch, for ``seconds`` or until the connection breaks: then one lists again."""
        import urllib3

        options = {**query, "watch": "true", "timeoutSeconds": str(seconds)}
        response = self._open("GET", path, options, None, "", "application/json", seconds + PATIENCE)
        if response.status >= 400:
            raise _refusal(response.data.decode(), response.status)
        rest = b""
        try:
            for chunk in response.stream():
                *complete, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in complete if line)
        except urllib3.exceptions.HTTPError:
            return
        finally:
            response.close()

    def nodes(self) -> list[Object] | None:
        """The cluster's nodes; None where one may not look at them."""
        try:
            found: list[Object] = self.request("GET", "/api/v1/nodes")["items"]
        except Refused as refusal:
            if refusal.code != 403:
                raise
            return None
        return found

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def credentials(self) -> Credentials:
        """What this client shows the API server, for others who visit it."""
        settings, headers = self._client.configuration, dict[str, str]()
        self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        files = (settings.ssl_ca_cert or "", settings.cert_file or "", settings.key_file or "")
        return Credentials(*files, not settings.verify_ssl, headers)

    def core(self) -> Any:
        """The official client's CoreV1Api, for what goes over WebSockets."""
        import kubernetes.client

        return kubernetes.client.CoreV1Api(self._client)

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        accept: str,
        seconds: float,
    ) -> Any:
        import urllib3

        configuration = self._client.configuration
        headers = {"Accept": accept, "User-Agent": "kubechaos-helpers"}
        if body is not None:
            headers["Content-Type"] = content_type
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        url = configuration.host + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        timeout = urllib3.Timeout(connect=10, read=seconds)
        follows = (query or {}).get("watch") == "true"
        try:
            return self._client.rest_client.pool_manager.request(
                method, url, body=content, headers=headers, timeout=timeout, preload_content=not follows, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise CourseError(
                f"The cluster at {configuration.host} does not answer ({type(error).__name__}). {self._advice}"
            ) from error

    @cached_property
    def kinds(self) -> list[Kind]:
        """Everything that the cluster serves, by discovery."""
        return [
            _kind(group, version, entry)
            for path in ("/api", "/apis")
            for group in self.request("GET", path, accept=DISCOVERY)["items"]
            for version in group["versions"]
            for entry in version["resources"]
        ]

    def kind(self, name: str) -> Kind:
        """The kind of a name as kubectl takes it: ``pod``, ``pods``, ``po``, ``deployment.apps``."""
        wanted = name.lower()
        for kind in self.kinds:
            if wanted in kind.names:
                return kind
        raise CourseError(
            f'The cluster has no resource type "{name}". Try pods, deployments, services or endpointslices.'
        )

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        """The kind that a manifest names, if the cluster serves it."""
        group, _, version = api_version.rpartition("/")
        found = (each for each in self.kinds if (each.group, each.version, each.kind) == (group, version, kind))
        return next(found, None)

    def schema(self, kind: Kind) -> Schema | None:
        """How a kind's fields are merged, from the cluster's OpenAPI; None for a kind that is not described there."""
        root = "apis" if kind.group else "api"
        return schema_of(self._openapi(f"/openapi/v3/{root}/{kind.group_version}"), kind.group, kind.version, kind.kind)

    @cached_property
    def _openapi(self) -> Callable[[str], Object]:
        return cache(lambda path: self.find(path) or {})


def _kind(group: Mapping[str, Any], version: Mapping[str, Any], entry: Mapping[str, Any]) -> Kind:
    name = (group.get("metadata") or {}).get("name", "")
    plural, singular = entry["resource"], entry.get("singularResource") or entry["resource"]
    names = {plural, singular, entry["responseKind"]["kind"].lower(), *(entry.get("shortNames") or [])}
    names |= {f"{each}.{name}" for each in (plural, singular) if name}
    is_namespaced = entry["scope"] == "Namespaced"
    kind = entry["responseKind"]["kind"]
    return Kind(name, version["version"], plural, singular, kind, is_namespaced, frozenset(names))


def _refusal(text: str, code: int) -> Refused:
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"code": code}
    return Refused(status, text)
