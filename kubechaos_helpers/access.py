"""May the course work here? Asked of a cluster that was named, before anything is touched; each no is a sentence.

The questions are Kubernetes' own: SelfSubjectReview (who am I), SelfSubjectAccessReview (may I), a namespace's phase,
the nodes' Ready conditions, and a Lease that says which learner works in a namespace.
"""

from __future__ import annotations

import datetime
import getpass
import re
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

from kubechaos_helpers.api import Api, Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import my_folder
from kubechaos_helpers.waiting import is_ready

Object = dict[str, Any]
# From here on a preStop hook can sleep, and discovery is whole in two requests.
OLDEST = (1, 30)
NAMESPACES = "/api/v1/namespaces"
MADE_HERE = {"kubechaos-course/made-by": "connect"}


class Right(NamedTuple):
    """What one may do with a resource, as RBAC writes it; an empty ``resource`` is everything in a namespace."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    subresource: str = ""

    @property
    def name(self) -> str:
        full = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{full}/{self.subresource}" if self.subresource else full


CHANGE = ("get", "list", "watch", "create", "update", "patch", "delete")
NEEDED = (
    Right(CHANGE, "", "pods"),
    Right(CHANGE, "", "services"),
    Right(CHANGE, "", "configmaps"),
    Right(CHANGE, "apps", "deployments"),
    Right(("get", "list", "watch", "delete"), "apps", "replicasets"),
    Right(("list", "watch"), "discovery.k8s.io", "endpointslices"),
)
# What single cells need: the rest of the course goes on without.
USEFUL = (
    Right(("get",), "", "pods", "log"),
    Right(("create",), "", "pods", "exec"),
    Right(("create",), "", "pods", "portforward"),
    Right(("get",), "", "services", "proxy"),
    Right(("list",), "", "events"),
    Right(("create", "get", "delete"), "batch", "jobs"),
)
EVERYTHING = Right(("*",), "*", "*")


def version_of(api: Api) -> str:
    """The cluster's version, such as ``v1.36.3``."""
    return str(api.request("GET", "/version")["gitVersion"])


def check_version(api: Api, title: str) -> str:
    """The same; CourseError when it is too old."""
    version = version_of(api)
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise CourseError(
            f"{title} runs Kubernetes {version}; the course needs {OLDEST[0]}.{OLDEST[1]} or newer, and kubectl of"
            " today too. Choose another cluster, or leave KUBECHAOS_CLUSTER empty for the pocket cluster."
        )
    return version


def user_name(api: Api) -> str:
    """As whom this client acts there; CourseError when the cluster does not take its credentials."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    return str(answer["status"]["userInfo"].get("username") or "nobody in particular")


def enter_namespace(api: Api, name: str, title: str, may_make: bool) -> None:
    """See to it that a namespace can be worked in, made if it is missing and ``may_make``; else CourseError."""
    try:
        found = api.find(f"{NAMESPACES}/{name}")
    except Refused as refusal:
        if refusal.code != 403:
            raise
        return  # who may not look at namespaces may still work in one
    if found is None and not may_make:
        raise CourseError(
            f"{title} has no namespace {name}, which its context names. Make it: kubectl create namespace {name}, or"
            ' name another one: connect(…, namespace="NAME"), which is then made.'
        )
    if found is None:
        _make_namespace(api, name, title)
    elif found["status"].get("phase") == "Terminating":
        raise CourseError(
            f"Namespace {name} of {title} is being deleted, and nothing can be made in it. Wait until it is gone"
            f' (kubectl get namespace {name}), then run this cell again, or name another: connect(…, namespace="NAME").'
        )


def _make_namespace(api: Api, name: str, title: str) -> None:
    body = {"metadata": {"name": name, "labels": MADE_HERE}}
    try:
        api.request("POST", NAMESPACES, body=body)
    except Refused as refusal:
        if refusal.code != 403:
            raise
        raise CourseError(
            f"You may not make the namespace {name} on {title}. Ask for one of your own, and name it:"
            ' connect(…, namespace="NAME").'
        ) from None


def remove_namespace(api: Api, name: str) -> None:
    """Delete a namespace that ``connect`` made, with all that is in it; CourseError for any other."""
    found = api.find(f"{NAMESPACES}/{name}")
    if found is not None and not MADE_HERE.items() <= (found["metadata"].get("labels") or {}).items():
        raise CourseError(
            f"Namespace {name} was not made by this course, so it stays. If nobody needs it: kubectl delete ns {name}"
        )
    if found is not None:
        api.request("DELETE", f"{NAMESPACES}/{name}")


# --- rights


def check_rights(api: Api, namespace: str, title: str, user: str) -> list[str]:
    """What single cells need and may not be done; CourseError when the course cannot work there at all."""
    if not _missing(api, namespace, [EVERYTHING]):
        return []
    missing = _missing(api, namespace, NEEDED)
    if missing:
        raise CourseError(
            f"You are {user} on {title}, and in namespace {namespace} you may not {'; '.join(missing)}. Ask its"
            ' administrator for the role "edit" there, or name a namespace that is yours:'
            ' connect(…, namespace="NAME").'
        )
    return _missing(api, namespace, USEFUL)


def _missing(api: Api, namespace: str, rights: Sequence[Right]) -> list[str]:
    """The verbs that are refused, by resource: ``create, patch deployments.apps``."""
    found = {right: [verb for verb in right.verbs if not _may(api, namespace, verb, right)] for right in rights}
    return [f"{', '.join(verbs)} {right.name}" for right, verbs in found.items() if verbs]


def _may(api: Api, namespace: str, verb: str, right: Right) -> bool:
    wanted = {"namespace": namespace, "verb": verb, "group": right.group, "resource": right.resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**wanted, "subresource": right.subresource}},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(answer["status"].get("allowed"))


# --- nodes


def nodes_not_ready(api: Api) -> list[str]:
    """What is said of each node that is not Ready; empty where one may not look at nodes."""
    nodes = api.nodes()
    if nodes is None:
        return []
    if not nodes:
        return ["The cluster has no node: pods will wait until it has one. See: kubectl get nodes"]
    late = {node["metadata"]["name"]: _why_not_ready(node) for node in nodes if not is_ready(node)}
    return [
        f"Node {name} is not Ready ({why}): its pods do not serve. See: kubectl describe node"
        for name, why in late.items()
    ]


def _why_not_ready(node: Object) -> str:
    for condition in (node.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return str(condition.get("message") or condition["status"])
    return "its kubelet has not reported yet"


# --- one learner in one namespace

LEASE, LEASE_SECONDS = "kubechaos-learner", 4 * 3600
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


def me() -> str:
    """Who works here: the same for all notebooks of one learner."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{my_folder()}"


def take_place(api: Api, namespace: str, title: str) -> None:
    """Say in the namespace that this learner works there; CourseError when another one does.

    The place is free again after ``page.end`` or four hours. Where one may not write Leases, nobody can be told apart.
    """
    path = LEASES.format(namespace)
    now = datetime.datetime.now(datetime.UTC)
    metadata: Object = {"name": LEASE}
    wanted = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": me(),
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        },
    }
    try:
        found = api.find(f"{path}/{LEASE}")
        if found is None:
            api.request("POST", path, body=wanted)
        elif _is_held(found["spec"], now):
            raise CourseError(_taken(found["spec"], namespace, title))
        else:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
            api.request("PUT", f"{path}/{LEASE}", body=wanted)
    except Refused as refusal:
        if refusal.code == 409:  # somebody came at the same moment
            raise CourseError(
                f"Another learner is just beginning in namespace {namespace}. Run this cell again."
            ) from None
        if refusal.code != 403:
            raise


def leave_place(api: Api, namespace: str) -> None:
    """Free the place, if it is this learner's."""
    path = f"{LEASES.format(namespace)}/{LEASE}"
    try:
        found = api.find(path)
        if found and found["spec"].get("holderIdentity") == me():
            api.request("DELETE", path)
    except Refused as refusal:
        if refusal.code not in (403, 404):
            raise


def _is_held(spec: Object, now: datetime.datetime) -> bool:
    renewed = spec.get("renewTime")
    lasts = datetime.timedelta(seconds=spec.get("leaseDurationSeconds") or LEASE_SECONDS)
    is_over = renewed is None or datetime.datetime.fromisoformat(renewed) + lasts < now
    return not is_over and spec.get("holderIdentity") != me()


def _taken(spec: Object, namespace: str, title: str) -> str:
    holder = str(spec.get("holderIdentity")).partition(":")[0]
    return (
        f"Another learner, {holder}, has worked in namespace {namespace} of {title} since {spec['renewTime'][:16]}Z."
        ' Take a namespace of your own: connect(…, namespace="kubechaos-YOURS"). Or, if they have left:'
        f" kubectl delete lease {LEASE} -n {namespace}"
    )
