"""Charts with words: what a picture shows is said in a table and a sentence too."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from matplotlib import image

from kubechaos_helpers import Visits
from kubechaos_helpers.chart import Chart, show_sequence, show_split
from kubechaos_helpers.course.pages import Question
from kubechaos_helpers.course.prediction import Prediction
from kubechaos_helpers.style import KNOWN, OTHERS, looks
from kubechaos_helpers.visits import Visit

VERSIONS = {"pod-a": "original", "pod-b": "custom", "pod-c": "custom"}


def visits(*pods: str) -> Visits:
    rows = [Visit(number / 10, 0.001, 0, number, 1, pod, 200, 10, "") for number, pod in enumerate(pods)]
    return Visits(rows, VERSIONS)


MANY = visits(*["pod-a", "pod-b", "pod-b", "pod-b"] * 25)


@pytest.fixture(autouse=True)
def my_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECHAOS_MY", str(tmp_path))


def test_a_chart_is_a_picture_a_table_and_a_sentence() -> None:
    chart = show_split(MANY.by("version"))
    bundle = chart._repr_mimebundle_()
    reading = MANY.by("version").reading()
    assert bundle["text/plain"] == f"{MANY.by('version').table()}\n\n{reading}"
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert f'<img alt="{reading}"' in chart.html
    assert "var(--jp-ui-font-color1)" in chart.html


def test_a_picture_is_opaque_and_white_and_wide_enough_to_read() -> None:
    picture = image.imread(io.BytesIO(show_split(MANY.by("version")).png))
    assert picture.shape[1] >= 800
    assert picture[..., 3].min() == 1
    assert picture[0, 0, :3].min() == 1


def test_words_are_escaped() -> None:
    chart = show_sequence(visits("<b>", "pod-a"))
    assert "<b>" not in chart.html
    assert "&lt;b&gt;" in chart.html


def test_an_expected_share_is_read_beside_the_measured_one() -> None:
    chart = show_split(MANY.by("version"), expected=0.75, name="custom")
    assert "Expected for custom: 75.0 %, 0.0 points off and within the interval." in chart.reading


def test_a_prediction_in_per_cent_is_drawn_and_one_that_was_not_made_is_said() -> None:
    question = Prediction(Question("test-share", "How many per cent?", range(101)))
    assert show_split(MANY.by("version"), question, "custom").reading.endswith("No prediction was made.")
    question.commit(50)
    assert "Predicted for custom: 50.0 %, 25.0 points off" in show_split(MANY.by("version"), question, "custom").reading


def test_a_sequence_says_who_answered_and_how_long_runs_were() -> None:
    chart = show_sequence(visits("pod-a", "pod-a", "pod-b", "pod-a"))
    assert chart.table.splitlines() == [
        "POD     VISITS   LONGEST RUN",
        "pod-a   3        2",
        "pod-b   1        1",
    ]
    assert chart.reading == "2 pods answered 4 visits over 4 connections; 2 times another one than before."


def test_a_prediction_stands_beside_the_sequence() -> None:
    question = Prediction(Question("test-order", "In which order?", ["turns", "random"]))
    assert show_sequence(MANY, prediction=question).reading.endswith("No prediction was made.")
    question.commit("turns")
    assert show_sequence(MANY, prediction=question).reading.endswith("You predicted: turns.")


@pytest.mark.parametrize("show", [lambda: show_split(visits().by("pod")), lambda: show_sequence(visits())])
def test_no_visits_make_a_chart_that_says_so(show: object) -> None:
    assert callable(show)
    chart = show()
    assert isinstance(chart, Chart)
    assert "There were no visits." in chart.reading


def test_a_pod_looks_like_its_version_and_no_two_versions_look_alike() -> None:
    found = looks(["pod-a", "pod-b", "pod-c", "pod-x"], VERSIONS)
    assert found == {"pod-a": KNOWN["original"], "pod-b": KNOWN["custom"], "pod-c": KNOWN["custom"], "pod-x": OTHERS[0]}
    known = [*KNOWN.values(), *OTHERS]
    assert len({look.colour for look in known}) == len({look.hatch for look in known}) == len(known)
