"""The recordings of a real kube-proxy load as visits and say what the course says of them."""

import gzip
import json
from pathlib import Path

import pytest

from kubechaos_helpers import CourseError, recording
from kubechaos_helpers.recordings import load, save
from kubechaos_helpers.visits import Visit, Visits

FRESH = ("iptables-1-1", "iptables-1-3", "nftables-1-1", "nftables-1-3")
FOLDER = Path(__file__).parents[3] / "recordings"


@pytest.mark.parametrize("name", FRESH)
def test_a_real_kube_proxy_chooses_at_random_for_each_connection(name):
    visits = recording(name)
    assert len(visits) == visits.connections == 4000
    assert visits.errors == {}
    assert visits.order().verdict == "random"


@pytest.mark.parametrize(("name", "custom"), [("iptables-1-3", 0.75), ("nftables-1-3", 0.75), ("iptables-1-1", 0.5)])
def test_each_version_gets_the_share_of_its_pods(name, custom):
    assert recording(name).by("version").matches("custom", custom).verdict == "fits"


def test_a_connection_that_is_kept_stays_on_one_pod():
    visits = recording("iptables-1-1-keep-alive")
    assert (len(visits), visits.connections, visits.loyal_visitors()) == (20_000, 4000, 4000)


def test_every_file_says_how_it_was_made():
    for path in FOLDER.glob("*.json.gz"):
        about = json.loads(gzip.decompress(path.read_bytes()))["about"]
        assert set(about) == {"kubernetes", "kube-proxy mode", "client", "command"}
        assert path.name.removesuffix(".json.gz") in about["command"]
        assert path.name in (f"{name}.json.gz" for name in [*FRESH, "iptables-1-1-keep-alive"])


def test_an_unknown_recording_is_named_with_those_that_there_are():
    with pytest.raises(
        CourseError, match=r"There is no recording called 'ipvs'\. There are: iptables-1-1, iptables-1-1-"
    ):
        recording("ipvs")


def test_what_is_saved_is_loaded(tmp_path):
    row = Visit(0.5, 0.01, 0, 1, 1, "web-b", 200, 40, "")
    visits = Visits(
        [row, row._replace(pod="web-a"), row._replace(pod="", error="timeout")], {"web-a": "v1"}, started=9.0
    )
    save(tmp_path / "x.json.gz", visits, {"mode": "none"})
    loaded = load(tmp_path / "x.json.gz")
    assert (loaded.all, loaded.version_of, loaded.started) == (visits.all, visits.version_of, 9.0)
