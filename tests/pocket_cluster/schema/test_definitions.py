"""The compiled types say what patches and protobuf need to know."""

import subprocess
import sys

import pytest
from eventually import DEADLINE_SECONDS

from pocket_cluster.api.resources import DEPLOYMENTS, PODS, SERVICES, Resource
from pocket_cluster.apiserver.schema import definition_for, definitions


def test_merge_keys_list_types_and_strategies_are_known() -> None:
    containers = definition_for(PODS).fields["spec"].schema.fields["containers"]
    assert (containers.merge_key, containers.patch_strategy, containers.list_type) == ("name", "merge", "map")
    assert containers.schema.items is not None
    assert containers.schema.items.fields["ports"].map_keys == ("containerPort", "protocol")
    strategy = definition_for(DEPLOYMENTS).fields["spec"].schema.fields["strategy"]
    assert strategy.patch_strategy == "retainKeys"
    assert definition_for(SERVICES).fields["spec"].schema.fields["ports"].map_keys == ("port", "protocol")


def test_a_kind_that_is_not_served_can_still_be_looked_up() -> None:
    scale = definition_for(Resource("autoscaling", "v1", "scales", "Scale", True))
    assert scale.fields["spec"].schema.fields["replicas"].schema.kind == "int32"


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        definition_for(Resource("nosuch", "v1", "things", "Thing", True))


def test_finding_the_definitions_does_not_import_their_package() -> None:
    code = "import sys; from pocket_cluster.apiserver.schema import definitions as d; d.load_definitions(); "
    code += "assert 'kubernetes_validate' not in sys.modules and 'jsonschema' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=DEADLINE_SECONDS)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="Install it with: pip install"):
        definitions.definitions_file()
