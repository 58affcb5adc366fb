import pytest

from kubechaos_helpers import printing

TABLE = {
    "columnDefinitions": [
        {"name": "Name", "priority": 0},
        {"name": "Ready", "priority": 0},
        {"name": "IP", "priority": 1},
    ],
    "rows": [
        {"cells": ["a-pod", "1/1", "10.244.0.2"], "object": {"metadata": {"labels": {"version": "custom"}}}},
        {"cells": ["b", "0/1", "<none>"], "object": {"metadata": {}}},
    ],
}


@pytest.mark.parametrize(
    ("wide", "labels", "prefix", "expected"),
    [
        (False, (), "", "NAME    READY\na-pod   1/1\nb       0/1"),
        (True, (), "", "NAME    READY   IP\na-pod   1/1     10.244.0.2\nb       0/1     <none>"),
        (False, ("version",), "", "NAME    READY   VERSION\na-pod   1/1     custom\nb       0/1     <none>"),
        (False, (), "pod/", "NAME        READY\npod/a-pod   1/1\npod/b       0/1"),
    ],
)
def test_a_table_looks_as_kubectl_prints_it(wide: bool, labels: tuple[str, ...], prefix: str, expected: str) -> None:
    assert printing.table(TABLE, wide, labels, prefix) == expected


def test_a_command_can_be_pasted_into_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    printing.command("kubectl", "get", "pods", "", "-l", "version in (a, b)")
    assert capsys.readouterr().out == "$ kubectl get pods -l 'version in (a, b)'\n"
