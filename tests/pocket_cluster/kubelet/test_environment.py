"""Variables, volumes and logs are as a real kubelet makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pocket_cluster.kubelet import logs, volumes
from pocket_cluster.kubelet.container_log import ContainerLog
from pocket_cluster.kubelet.environment import ConfigurationError, container_environment, expand, service_variables

POD: dict[str, Any] = {
    "metadata": {"name": "web-1", "namespace": "lesson", "uid": "u", "labels": {"app": "web"}},
    "spec": {"nodeName": "pocket", "containers": [{"name": "app", "image": "i"}]},
}
MAPS = {("ConfigMap", "settings"): {"colour": "teal"}, ("Secret", "token"): {"key": "s3cret"}}


def variables(container: dict[str, Any], services: list[dict[str, Any]] | None = None) -> dict[str, str]:
    found = container_environment(
        POD, container, {"PATH": "/bin"}, services or [], lambda *wanted: MAPS.get(wanted), "10.244.0.5"
    )
    return {name: value for name, value in found.items() if name not in ("PATH", "HOSTNAME")}


def ref(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": "A", "valueFrom": {kind: fields}}]


@pytest.mark.parametrize(
    ("env", "value"),
    [
        (ref("fieldRef", fieldPath="metadata.name"), "web-1"),
        (ref("fieldRef", fieldPath="metadata.labels['app']"), "web"),
        (ref("fieldRef", fieldPath="status.podIP"), "10.244.0.5"),
        (ref("configMapKeyRef", name="settings", key="colour"), "teal"),
        (ref("secretKeyRef", name="token", key="key"), "s3cret"),
        (ref("configMapKeyRef", name="nosuch", key="a", optional=True), None),
        (ref("resourceFieldRef", resource="limits.memory", divisor="1Mi"), "64"),
        ([{"name": "B", "value": "x"}, {"name": "A", "value": "$(B)-$(NO)-$$(B)"}], "x-$(NO)-$(B)"),
    ],
)
def test_a_variable_has_its_value_from_where_it_says(env: list[dict[str, Any]], value: str | None) -> None:
    assert variables({"env": env, "resources": {"limits": {"memory": "64Mi"}}}).get("A") == value


def test_whole_config_maps_become_variables_with_a_prefix() -> None:
    assert variables({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}]}) == {"P_colour": "teal"}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"env": ref("configMapKeyRef", name="nosuch", key="a")}, 'configmap "nosuch" not found'),
        ({"env": ref("configMapKeyRef", name="settings", key="b")}, "couldn't find key b in ConfigMap lesson/settings"),
        ({"envFrom": [{"secretRef": {"name": "nosuch"}}]}, 'secret "nosuch" not found'),
    ],
)
def test_what_is_missing_is_said_in_the_real_kubelets_words(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        variables(container)
    assert str(error.value) == message


def test_services_are_told_of_in_variables() -> None:
    ports = [{"name": "web-port", "port": 3000}, {"port": 80}]
    service = {"metadata": {"name": "my-svc"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}}
    found = service_variables([service])
    assert found["MY_SVC_SERVICE_HOST"] == "10.96.0.9"
    assert found["MY_SVC_SERVICE_PORT_WEB_PORT"] == found["MY_SVC_SERVICE_PORT"] == "3000"
    assert found["MY_SVC_PORT_80_TCP"] == "tcp://10.96.0.9:80"


def test_expansion_leaves_what_it_does_not_know() -> None:
    assert expand("$(A) $A $(B", {"A": "1"}) == "1 $A $(B"


# --- volumes


def write(folder: Path, volume: dict[str, Any], **maps: dict[str, bytes]) -> None:
    volumes.write_volume(folder, volume, POD, "10.244.0.5", lambda _, name: maps.get(name))


def test_a_config_map_volume_changes_all_its_files_at_once_and_keeps_its_links(tmp_path: Path) -> None:
    volume = {"name": "v", "configMap": {"name": "settings"}}
    write(tmp_path, volume, settings={"a": b"1", "b": b"2"})
    first = (tmp_path / "..data").readlink()
    write(tmp_path, volume, settings={"a": b"1", "b": b"2"})
    assert (tmp_path / "..data").readlink() == first
    write(tmp_path, volume, settings={"a": b"3"})
    assert (tmp_path / "a").read_text() == "3"
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("..")) == ["a"]
    assert not (tmp_path / first).exists()


def test_items_choose_keys_paths_and_modes(tmp_path: Path) -> None:
    items = [{"key": "a", "path": "deep/file", "mode": 0o600}]
    write(tmp_path, {"name": "v", "secret": {"secretName": "token", "items": items}}, token={"a": b"1", "b": b"2"})
    assert (tmp_path / "deep/file").read_bytes() == b"1"
    assert (tmp_path / "deep/file").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "b").exists()


def test_a_volume_without_its_source_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(volumes.VolumeError, match=r'^configmap "nosuch" not found$'):
        write(tmp_path, {"name": "v", "configMap": {"name": "nosuch"}})
    items = [{"key": "zz", "path": "zz"}]
    with pytest.raises(volumes.VolumeError, match=r"^configmap references non-existent config key: zz$"):
        write(tmp_path, {"name": "v", "configMap": {"name": "s", "items": items}}, s={"a": b"1"})


def test_the_downward_api_shows_labels(tmp_path: Path) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    write(tmp_path, {"name": "v", "downwardAPI": {"items": items}})
    assert (tmp_path / "labels").read_text() == 'app="web"'


# --- logs


async def text_of(path: Path, **options: Any) -> str:
    return b"".join([chunk async for chunk in logs.read(path, logs.LogOptions(**options), lambda: False)]).decode()


def shown(path: Path, **options: Any) -> str:
    import asyncio

    return asyncio.run(text_of(path, **options))


def test_a_log_can_be_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = ContainerLog(path, "/hidden/root")
    log.write(b"one\ntwo\nat /hidden/root/src\nno e")
    log.write(b"nd")
    log.close()
    assert shown(path) == "one\ntwo\nat /src\nno end\n"
    assert shown(path, tail_lines=2) == "at /src\nno end\n"
    assert shown(path, tail_lines=0) == ""
    assert shown(path, limit_bytes=5) == "one\nt"
    assert shown(path, follow=True) == shown(path)
    stamped = shown(path, timestamps=True, tail_lines=1)
    assert stamped.startswith("20")
    assert stamped.endswith("Z no end\n")


def test_long_lines_are_divided_on_disk_and_whole_when_read(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = ContainerLog(path, "/hidden")
    log.write(b"x" * 40_000 + b"\nshort\n")
    log.close()
    assert shown(path) == "x" * 40_000 + "\nshort\n"
    assert len(path.read_text().splitlines()) == 4


def test_a_log_that_grows_for_ever_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocket_cluster.kubelet.container_log.LARGEST_BYTES", 1000)
    path = tmp_path / "0.log"
    log = ContainerLog(path, "/hidden")
    for number in range(200):
        log.write(f"line {number}\n".encode())
    log.close()
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 2200
    assert shown(path, tail_lines=20) == "".join(f"line {number}\n" for number in range(180, 200))


@pytest.mark.parametrize(
    ("state", "last", "previous", "message"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, {}, False, "is waiting to start: ContainerCreating"),
        (
            {"waiting": {"reason": "ImagePullBackOff"}},
            {},
            False,
            "is waiting to start: trying and failing to pull image",
        ),
        ({"running": {}}, {}, True, 'previous terminated container "app" in pod "web" not found'),
    ],
)
def test_a_log_that_is_not_there_is_explained(state: Any, last: Any, previous: bool, message: str) -> None:
    status = {"state": state, "lastState": last, "restartCount": 0}
    with pytest.raises(logs.LogError) as error:
        logs.attempt_to_read(status, "web", "app", previous)
    assert message in str(error.value)
