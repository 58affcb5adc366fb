"""The OpenAPI documents hold what kubectl looks for."""

import json
from typing import Any

import pytest

from pocket_cluster.api import resources
from pocket_cluster.api.resources import Resource
from pocket_cluster.apiserver.schema import openapi_document, openapi_index

KINDS = pytest.mark.parametrize("resource", resources.ALL, ids=lambda resource: resource.kind)


def document_of(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_document(resource.root.lstrip("/")))
    return found


def test_the_index_leads_to_every_document() -> None:
    paths = json.loads(openapi_index())["paths"]
    assert list(paths) == [*dict.fromkeys(resource.root.lstrip("/") for resource in resources.ALL)]
    for name, entry in paths.items():
        assert entry["serverRelativeURL"].startswith(f"/openapi/v3/{name}?hash=")


def test_a_document_that_is_not_there_is_not_invented() -> None:
    with pytest.raises(KeyError):
        openapi_document("apis/nosuch/v1")


@KINDS
def test_kubectl_finds_that_the_server_validates_fields(resource: Resource) -> None:
    """kubectl looks for a patch with the parameter fieldValidation; then it leaves validation to the server."""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    patches = [item["patch"] for item in document_of(resource)["paths"].values() if "patch" in item]
    mine = [patch for patch in patches if patch["x-kubernetes-group-version-kind"] == kind]
    assert any(parameter["name"] == "fieldValidation" for parameter in mine[0]["parameters"])


@KINDS
def test_every_reference_leads_somewhere_and_no_type_is_a_list(resource: Resource) -> None:
    document = document_of(resource)
    schemas = document["components"]["schemas"]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                assert reference.removeprefix("#/components/schemas/") in schemas
            assert not (isinstance(value.get("type"), list))
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(item)

    check(document)


def test_a_field_is_explained_with_its_type_and_its_values() -> None:
    schemas = document_of(resources.DEPLOYMENTS)["components"]["schemas"]
    replicas = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"]
    assert (replicas["type"], replicas["format"]) == ("integer", "int32")
    assert replicas["description"].startswith("Number of desired pods.")
    strategy = schemas["io.k8s.api.apps.v1.DeploymentStrategy"]["properties"]["type"]
    assert strategy["enum"] == ["Recreate", "RollingUpdate"]


def test_connections_are_documented_as_a_real_cluster_documents_them() -> None:
    paths = document_of(resources.PODS)["paths"]
    found = {
        path.removeprefix("/api/v1/namespaces/{namespace}/"): {
            method: item[method]["x-kubernetes-group-version-kind"]["kind"] for method in item if method != "parameters"
        }
        for path, item in paths.items()
        if any(item[method].get("x-kubernetes-action") == "connect" for method in item if method != "parameters")
    }
    proxied = ("get", "put", "post", "delete", "options", "head", "patch")
    assert found == {
        "pods/{name}/exec": dict.fromkeys(("get", "post"), "PodExecOptions"),
        "pods/{name}/portforward": dict.fromkeys(("get", "post"), "PodPortForwardOptions"),
        "pods/{name}/proxy": dict.fromkeys(proxied, "PodProxyOptions"),
        "pods/{name}/proxy/{path}": dict.fromkeys(proxied, "PodProxyOptions"),
        "services/{name}/proxy": dict.fromkeys(proxied, "ServiceProxyOptions"),
        "services/{name}/proxy/{path}": dict.fromkeys(proxied, "ServiceProxyOptions"),
    }
