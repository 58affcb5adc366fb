"""Discovery: which groups, versions and kinds are served, plainly and aggregated.

Forms: apimachinery, pkg/apis/meta/v1 (APIGroupList, APIResourceList) and k8s.io/api, apidiscovery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.registry import KINDS, Kind

# Reviews are answered, never stored: they have a row of discovery and nothing else.
REVIEWS = (
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
)
# In the order in which a real API server lists them.
GROUPS = ("apps", "authentication.k8s.io", "authorization.k8s.io", "batch", "coordination.k8s.io", "discovery.k8s.io")
READ_WRITE = ("get", "patch", "update")
# Subresource: response kind (group, version, kind), verbs. None: the kind of the object itself, of which a proxy has
# its own options.
SUBRESOURCES: dict[str, tuple[tuple[str, str, str] | None, tuple[str, ...]]] = {
    "binding": (("", "v1", "Binding"), ("create",)),
    "eviction": (("policy", "v1", "Eviction"), ("create",)),
    "exec": (("", "v1", "PodExecOptions"), ("create", "get")),
    "finalize": (None, ("update",)),
    "log": (None, ("get",)),
    "portforward": (("", "v1", "PodPortForwardOptions"), ("create", "get")),
    "proxy": (None, ("create", "delete", "get", "patch", "update")),
    "scale": (("autoscaling", "v1", "Scale"), READ_WRITE),
    "status": (None, READ_WRITE),
}


@cache
def api_versions() -> Object:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


@cache
def api_group_list() -> Object:
    """``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS]}


@cache
def api_group(name: str) -> Object | None:
    """``/apis/NAME``, or None for a group that is not served."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)} if name in GROUPS else None


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


@cache
def api_resource_list(group: str) -> Object | None:
    """``/api/v1`` (group ``""``) or ``/apis/GROUP/v1``, or None for a group that is not served."""
    if group and group not in GROUPS:
        return None
    resources = [entry for kind in _kinds(group) for entry in _plain(kind)]
    resources += [
        {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
        for of, plural, kind in REVIEWS
        if of == group
    ]
    version = f"{group}/v1" if group else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _kinds(group: str) -> list[Kind]:
    return sorted((kind for kind in KINDS if kind.resource.group == group), key=lambda kind: kind.resource.plural)


def _plain(kind: Kind) -> Iterator[Object]:
    resource = kind.resource
    entry: Object = {
        "name": resource.plural,
        "singularName": kind.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(kind.verbs),
    }
    yield entry | _names(kind)
    for part in kind.subresources:
        (group, version, name), verbs = _response(kind, part)
        foreign = {"group": group, "version": version} if group and group != resource.group else {}
        yield {
            "name": f"{resource.plural}/{part}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **foreign,
            "kind": name,
            "verbs": list(verbs),
        }


def _names(kind: Kind) -> Object:
    names = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {field: value for field, value in names.items() if value}


def _response(kind: Kind, part: str) -> tuple[tuple[str, str, str], tuple[str, ...]]:
    response, verbs = SUBRESOURCES[part]
    if part == "proxy":
        response = ("", "v1", f"{kind.resource.kind}ProxyOptions")
    return response or (kind.resource.group, kind.resource.version, kind.resource.kind), verbs


@cache
def aggregated(path: str, version: str) -> Object:
    """``/api`` or ``/apis`` as an APIGroupDiscoveryList of ``version`` v2 or v2beta1."""
    groups = [_aggregated_group("")] if path == "/api" else [_aggregated_group(name) for name in GROUPS]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": groups,
    }


def _aggregated_group(name: str) -> Object:
    resources = [_aggregated_kind(kind) for kind in _kinds(name)]
    resources += [_review(name, plural, kind) for of, plural, kind in REVIEWS if of == name]
    version = {"version": "v1", "resources": resources, "freshness": "Current"}
    return {"metadata": {"name": name} if name else {}, "versions": [version]}


def _aggregated_kind(kind: Kind) -> Object:
    resource = kind.resource
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind_reference(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
        **_names(kind),
    }
    parts = list(_aggregated_parts(kind, kind.subresources))
    return entry | ({"subresources": parts} if parts else {})


def _aggregated_parts(kind: Kind, parts: Iterable[str]) -> Iterator[Object]:
    for part in parts:
        response, verbs = _response(kind, part)
        yield {"subresource": part, "responseKind": _kind_reference(*response), "verbs": list(verbs)}


def _review(group: str, plural: str, kind: str) -> Object:
    return {
        "resource": plural,
        "responseKind": _kind_reference(group, "v1", kind),
        "scope": "Cluster",
        "singularResource": kind.lower(),
        "verbs": ["create"],
    }


def _kind_reference(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
