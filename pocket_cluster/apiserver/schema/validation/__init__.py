"""Validation: which objects the API refuses, in the real API's words and order.

One module a subject; ``formats`` judges single texts, ``metadata`` what all kinds share. An object reaches this package
decoded, defaulted and prepared; what a kind does not check (its status on create, say) is not checked here either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pocket_cluster.api.objects import Object
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema.field_errors import Errors
from pocket_cluster.apiserver.schema.validation import (
    cluster,
    configuration,
    endpoints,
    formats,
    jobs,
    pods,
    services,
    workloads,
)
from pocket_cluster.apiserver.schema.validation.metadata import validate_metadata, validate_metadata_update

Create = Callable[[Object], Errors]
Update = Callable[[Object, Object], Errors]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a kind checks when it is created, changed, and when its status is changed."""

    create: Create
    update: Update
    status: Update | None = None


def _status_like_metadata(new: Object, old: Object) -> Errors:
    return validate_metadata_update(new["metadata"], old["metadata"])


RULES: dict[tuple[str, str], Rules] = {
    ("", "Pod"): Rules(pods.validate_pod, pods.validate_pod_update, pods.validate_pod_status_update),
    ("", "Service"): Rules(
        services.validate_service, services.validate_service_update, services.validate_service_status_update
    ),
    ("", "Namespace"): Rules(
        cluster.validate_namespace, cluster.validate_namespace_update, cluster.validate_namespace_status_update
    ),
    ("", "Node"): Rules(cluster.validate_node, cluster.validate_node_update, cluster.validate_node_update),
    ("", "Event"): Rules(cluster.validate_event, cluster.validate_event_update),
    ("", "ConfigMap"): Rules(configuration.validate_config_map, configuration.validate_config_map_update),
    ("", "Secret"): Rules(configuration.validate_secret, configuration.validate_secret_update),
    ("", "ServiceAccount"): Rules(
        configuration.validate_service_account, configuration.validate_service_account_update
    ),
    ("", "Endpoints"): Rules(endpoints.validate_endpoints, endpoints.validate_endpoints_update),
    ("discovery.k8s.io", "EndpointSlice"): Rules(
        endpoints.validate_endpoint_slice, endpoints.validate_endpoint_slice_update
    ),
    ("coordination.k8s.io", "Lease"): Rules(cluster.validate_lease, cluster.validate_lease_update),
    ("apps", "Deployment"): Rules(
        workloads.validate_deployment,
        workloads.validate_deployment_update,
        workloads.validate_deployment_status_update,
    ),
    ("apps", "ReplicaSet"): Rules(
        workloads.validate_replica_set,
        workloads.validate_replica_set_update,
        workloads.validate_replica_set_status_update,
    ),
    ("batch", "Job"): Rules(jobs.validate_job, jobs.validate_job_update, jobs.validate_job_status_update),
}


def validate(resource: Resource, obj: Object) -> Errors:
    """What is wrong with an object that is to be created; empty when nothing is."""
    rules = RULES.get((resource.group, resource.kind))
    if rules is None:
        return validate_metadata(obj.get("metadata") or {}, resource.namespaced, formats.dns_subdomain)
    return rules.create(obj)


def validate_update(resource: Resource, new: Object, old: Object, subresource: str = "") -> Errors:
    """What is wrong with changing ``old`` to ``new``; ``subresource`` is ``""`` or ``"status"``."""
    rules = RULES.get((resource.group, resource.kind))
    errors = _validate_common(resource, new, old)
    if rules is None:
        return errors + validate_metadata_update(new["metadata"], old["metadata"])
    if subresource == "status":
        return errors + (rules.status or _status_like_metadata)(new, old)
    return errors + rules.update(new, old)


def _validate_common(resource: Resource, new: Object, old: Object) -> Errors:
    """Every update is judged by these first, and by its kind's own rules after (apiserver, registry/rest/update.go).

    So a broken label is named several times over; clients show each sentence once.
    """
    errors = validate_metadata(new["metadata"], resource.namespaced, formats.path_segment)
    return errors + validate_metadata_update(new["metadata"], old["metadata"])
