"""A probe in the notebook's process: what it shows of its visits, how it ends, and which jobs make no sense."""

import pytest
from eventually import eventually
from interrupting import interrupted

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.running_probe import RunningProbe, job_for, probe_url


def test_a_running_probe_shows_its_visits_and_leaves_nothing_behind(web):
    counts = []
    with web.server(web.says(web.ANSWER)) as server:
        job = job_for(server.url, requests=0, duration=3600, rate=200)
        running = RunningProbe(job, {"web-1": "custom"}, counts.append)
        eventually(lambda: len(running.visits), "ten visits", so=lambda number: number >= 10)
        assert running.is_running
        assert not running.visits.interrupted
        visits = running.stop()
    assert not running.is_running
    assert not running._reader.is_alive()
    assert visits.interrupted
    assert len(visits) >= 10
    assert visits.by("version").shares["custom"].number == len(visits)
    assert counts == sorted(counts)
    assert running.stop().all == visits.all


WAIT = """
from kubechaos_helpers.running_probe import RunningProbe, job_for
seen = [0]
running = RunningProbe(job_for(%r, requests=0, duration=3600, rate=200), on_batch=seen.append)
visits = running.wait()
print(len(visits) >= 10, visits.interrupted, running.is_running)
print(visits.reading())
"""


def test_an_interrupt_ends_the_wait_and_keeps_what_was_seen(web):
    with web.server(web.says(web.ANSWER)) as server:
        printed = interrupted(WAIT % server.url, "_wait", "seen[-1] >= 10").splitlines()
    assert printed[0] == "True True False"
    assert printed[1].endswith("The probe was interrupted.")


def test_a_prober_that_was_killed_is_a_sentence(web):
    with web.server(web.never_answers) as server:
        running = RunningProbe(job_for(server.url))
        running._process.kill()
        with pytest.raises(CourseError, match=r"^The prober ended too early: it was killed\. Run the cell again\.$"):
            running.wait()


def test_what_a_callback_raises_comes_out_of_the_wait(web):
    with web.server(web.says(web.ANSWER)) as server, pytest.raises(ZeroDivisionError):
        RunningProbe(job_for(server.url, requests=3), on_batch=lambda seen: seen // 0).wait()


def test_a_module_of_the_notebooks_folder_does_not_stand_in_for_the_standard_library(web, tmp_path, monkeypatch):
    (tmp_path / "statistics.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with web.server(web.says(web.ANSWER)) as server:
        assert len(probe_url(server.url, requests=1).answered) == 1


@pytest.mark.parametrize(
    ("url", "options", "sentence"),
    [
        ("kubechaos-svc", {}, "'kubechaos-svc' is not an address that can be visited"),
        ("ftp://127.0.0.1/", {}, "is not an address that can be visited"),
        ("http://127.0.0.1:99999/", {}, "is not an address that can be visited"),
        ("http://x/", {"visitors": 0}, "visitors must be a whole number of at least 1, not 0."),
        ("http://x/", {"visitors": 1.5}, "visitors must be a whole number of at least 1, not 1.5."),
        ("http://x/", {"requests": -1}, "requests must be a whole number of at least 0, not -1."),
        ("http://x/", {"rate": "fast"}, "rate must be a number of at least 0, not 'fast'."),
        ("http://x/", {"timeout": 0}, "timeout must be a number of seconds above 0, not 0."),
        ("http://x/", {"requests": 0}, "Say how many requests each visitor makes, or for how many seconds"),
        ("http://x/", {"request": 5}, "A probe has no option request. It has path, visitors, requests, keep_alive,"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_with_a_sentence(url, options, sentence):
    with pytest.raises(CourseError) as refusal:
        job_for(url, **options)
    assert sentence in str(refusal.value)


def test_spaces_in_a_path_are_quoted_and_ipv6_and_defaults_are_understood():
    assert job_for("http://[::1]:8080/a b?c=d e").path == "/a%20b?c=d%20e"
    assert (job_for("http://[::1]:8080/").host, job_for("https://x/").port, job_for("http://x").path) == (
        "::1",
        443,
        "/",
    )
