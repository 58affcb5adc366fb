"""A request to an object's ``proxy`` reaches a pod, and its answer comes back with links through the proxy."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from eventually import DEADLINE_SECONDS

from pocket_cluster.apiserver.errors import StatusError
from pocket_cluster.apiserver.proxied_links import rewrite_link, rewrite_page
from pocket_cluster.apiserver.proxy_destination import Asked, parse_asked

if TYPE_CHECKING:
    from conftest import Cluster

PREFIX = "/api/v1/namespaces/default/services/web:3000/proxy"


def asked(cluster: Cluster, method: str, path: str, **options: Any) -> dict[str, Any]:
    """What the pod was asked."""
    status, _, body = cluster.request(method, path, **options)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


@pytest.mark.parametrize(
    "name", ["web", "web:3000", "http:web:3000", "named:80", "named:main", "http:named:main", "http:web:"]
)
def test_a_service_is_reached_by_name_and_port_in_every_form(cluster: Cluster, name: str) -> None:
    assert asked(cluster, "GET", f"services/{name}/proxy/x")["path"] == "/x"


def test_every_request_to_a_service_chooses_a_pod_anew(cluster: Cluster) -> None:
    served = {asked(cluster, "GET", "services/web/proxy/")["pod"] for _ in range(40)}  # both, but for 1 in 2 ** 39
    assert served == set(cluster.pods())


def test_a_pod_is_reached_by_name(cluster: Cluster) -> None:
    for pod in cluster.pods():
        for name in (pod, f"{pod}:3000", f"http:{pod}:3000"):
            assert asked(cluster, "GET", f"pods/{name}/proxy/")["pod"] == pod


def test_method_path_query_headers_and_body_arrive_as_they_were_sent(cluster: Cluster) -> None:
    path = "services/web/proxy/a%20b/c/?q=1&r=a%2Fb"
    found = asked(cluster, "POST", path, body="hello", headers={"X-Mine": "yes", "Connection": "X-Hop", "X-Hop": "1"})
    assert (found["method"], found["path"], found["body"]) == ("POST", "/a%20b/c/?q=1&r=a%2Fb", "hello")
    assert found["headers"]["X-Mine"] == "yes"
    assert found["headers"]["Host"] == cluster.home.server.removeprefix("https://")
    assert found["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert found["headers"]["X-Forwarded-Uri"] == "/api/v1/namespaces/default/services/web/proxy/a%20b/c/"
    assert not {"Authorization", "X-Hop"} & set(found["headers"])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_arrives(cluster: Cluster, method: str) -> None:
    assert asked(cluster, method, "services/web/proxy/x", body="changed")["method"] == method


def test_the_pods_status_and_headers_come_back(cluster: Cluster) -> None:
    status, headers, _ = cluster.request("GET", "services/web/proxy/", headers={"X-Status": "418"})
    assert (status, headers["X-App"], headers["Cache-Control"]) == (418, "yes", "no-cache, private")
    status, headers, body = cluster.request("HEAD", "services/web/proxy/")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0


def test_a_path_without_its_slash_is_redirected(cluster: Cluster) -> None:
    status, headers, _ = cluster.request("GET", "services/web/proxy?x=1")
    assert (status, headers["Location"]) == (301, "/api/v1/namespaces/default/services/web/proxy/?x=1")
    assert asked(cluster, "PUT", "services/web/proxy")["path"] == "/"


def test_redirects_and_links_lead_through_the_proxy(cluster: Cluster) -> None:
    _, headers, _ = cluster.request("GET", "services/web:3000/proxy/redirect")
    assert headers["Location"] == f"{PREFIX}/elsewhere?x=1"
    _, headers, page = cluster.request("GET", "services/web:3000/proxy/html")
    assert f'href="{PREFIX}/a?b=1&amp;c=2"' in page
    assert f'src="{PREFIX}/c.png"' in page
    assert f'ACTION="{PREFIX}/post"' in page
    for unchanged in ('href="b"', "http://example.org/x", "<a href='/no'>", 'title="/t"', "é"):
        assert unchanged in page
    assert int(headers["Content-Length"]) == len(page.encode())


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("services/empty", 503, 'no endpoints available for service "empty"'),
        ("services/named", 503, 'no endpoints available for service "named"'),  # as a real one: its port has a name
        ("services/web:nope", 503, 'no endpoints available for service "web:nope"'),
        ("services/web:81", 503, 'no service port 81 found for service "web"'),
        ("services/https:web:", 503, "error trying to reach service: tls: first record does not look like a TLS"),
        ("services/nosuch", 404, 'services "nosuch" not found'),
        ("services/ftp:web:3000", 400, 'invalid service request "ftp:web:3000"'),
        ("services/a:b:c:d", 400, 'invalid service request "a:b:c:d"'),
        ("pods/nosuch", 404, 'pods "nosuch" not found'),
        ("pods/unscheduled:3000", 400, "address not allowed"),
        ("pods/two:9", 503, "error trying to reach service: dial tcp 10.244."),
    ],
)
def test_what_cannot_be_reached_is_refused_in_a_real_clusters_words(
    cluster: Cluster, path: str, status: int, why: str
) -> None:
    code, _, body = cluster.request("GET", f"{path}/proxy/")
    found = json.loads(body)
    assert (code, found["code"]) == (status, status)
    assert found["message"].startswith(why)


def test_nobody_is_proxied_without_a_token(cluster: Cluster) -> None:
    status, _, _ = cluster.request("GET", "services/web/proxy/", headers={"Authorization": "Bearer wrong"})
    assert status == 401


def test_kubectl_reaches_a_service_raw_and_through_its_own_proxy(cluster: Cluster) -> None:
    raw = json.loads(cluster.output("get", "--raw", f"{PREFIX}/x"))
    assert raw["pod"] in cluster.pods()
    with subprocess.Popen(cluster.command("proxy", "--port", "0"), stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout
        address = proxy.stdout.readline().split()[-1]  # Starting to serve on 127.0.0.1:PORT
        with urllib.request.urlopen(f"http://{address}{PREFIX}/y", timeout=DEADLINE_SECONDS) as answer:
            assert json.load(answer)["path"] == "/y"
        proxy.terminate()


def test_the_subresources_are_in_discovery_as_a_real_cluster_has_them(cluster: Cluster) -> None:
    listed = json.loads(cluster.output("get", "--raw", "/api/v1"))["resources"]
    found = {each["name"]: (each["kind"], each["verbs"], "group" in each) for each in listed}
    proxy = ["create", "delete", "get", "patch", "update"]
    assert found["pods/proxy"] == ("PodProxyOptions", proxy, False)
    assert found["services/proxy"] == ("ServiceProxyOptions", proxy, False)
    assert found["pods/exec"] == ("PodExecOptions", ["create", "get"], False)
    for verb, what in (("get", "services/proxy"), ("create", "pods/exec"), ("create", "pods/portforward")):
        assert cluster.output("auth", "can-i", verb, what) == "yes\n"


# --- without a cluster


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", Asked("http", "web", "")),
        ("web:main", Asked("http", "web", "main")),
        ("https:web:443", Asked("https", "web", "443")),
        (":web:80", Asked("http", "web", "80")),
    ],
)
def test_a_name_is_taken_apart(text: str, expected: Asked) -> None:
    assert parse_asked(text, "service") == expected


@pytest.mark.parametrize("text", ["", ":80", "http::80", "ws:web:80", "a:b:c:d"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StatusError, match="invalid service request"):
        parse_asked(text, "service")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("/page", "/proxy/page"),
        ("/", "/proxy/"),
        ("/page/?a=b#c", "/proxy/page/?a=b#c"),
        ("/proxy/page", "/proxy/page"),
        ("page", "page"),
        ("http://10.244.0.2:3000/page", "/proxy/page"),
        ("https://127.0.0.1:6443/page", "https://127.0.0.1:6443/proxy/page"),
        ("http://example.org/page", "http://example.org/page"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_only_links_to_the_same_server_are_rewritten(link: str, expected: str) -> None:
    assert rewrite_link(link, "/proxy", ("10.244.0.2:3000", "127.0.0.1:6443")) == expected


def test_a_page_stays_as_it_is_but_for_its_links() -> None:
    page = """<!-- <a href="/x"> -->\n<IMG\n SRC = /x alt='/x'><p>a &amp; <b title="/x">\n<link href='/x'/>&nbsp;<"""
    expected = page.replace("SRC = /x", 'SRC = "+"').replace("link href='/x'", 'link href="+"')
    assert rewrite_page(page, lambda link: "+" if link == "/x" else link) == expected
