"""In a pod the network is as in a container: an address of its own, a private localhost, names of Services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Runtime


SERVER = """
import socket
with socket.create_server((HOST, PORT)) as server:
    print(server.getsockname(), flush=True)
    while True:
        connection, address = server.accept()
        connection.sendall(repr((address[0], connection.getsockname())).encode())
        connection.close()
"""
CLIENT = """
import socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
for attempt in range(6000):
    try:
        connection = socket.create_connection((host, port))
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
else:
    sys.exit("refused")
print(connection.getpeername(), connection.makefile().read(), connection.getsockname()[0])
"""


def serve(runtime: Runtime, host: str, port: int, address: str) -> str:
    code = SERVER.replace("HOST", repr(host)).replace("PORT", str(port))
    return runtime.start(["python", "-c", code], address=address)


def visit(runtime: Runtime, host: str, port: int, address: str) -> str:
    ended = runtime.exit_of(runtime.start(["python", "-c", CLIENT, host, str(port)], address=address))
    return str(ended["output"])


def test_all_pods_may_listen_on_the_same_port_and_see_each_others_addresses(runtime: Runtime) -> None:
    for number in (10, 11):
        serve(runtime, "0.0.0.0", 3000, f"10.244.0.{number}")
    for number in (10, 11):
        peer, seen, own = f"10.244.0.{number}", "10.244.0.12", "10.244.0.12"
        expected = f"('{peer}', 3000) ('{seen}', ('{peer}', 3000)) {own}\n"
        assert visit(runtime, peer, 3000, own) == expected


def test_what_listens_on_localhost_is_for_its_own_pod_alone(runtime: Runtime) -> None:
    serve(runtime, "127.0.0.1", 4000, "10.244.0.20")
    own = visit(runtime, "localhost", 4000, "10.244.0.20")
    assert own == "('127.0.0.1', 4000) ('127.0.0.1', ('127.0.0.1', 4000)) 127.0.0.1\n"
    assert visit(runtime, "10.244.0.20", 4000, "10.244.0.21") == "refused\n"


def test_what_listens_on_the_wildcard_answers_on_localhost_too(runtime: Runtime) -> None:
    serve(runtime, "", 4001, "10.244.0.22")
    assert visit(runtime, "localhost", 4001, "10.244.0.22").startswith("('10.244.0.22', 4001)")


def test_ports_of_the_superuser_can_be_had(runtime: Runtime) -> None:
    serve(runtime, "0.0.0.0", 80, "10.244.0.30")
    assert visit(runtime, "10.244.0.30", 80, "10.244.0.31").startswith(
        "('10.244.0.30', 80) ('10.244.0.31', ('10.244.0.30', 80))"
    )


def test_the_pods_name_is_the_machines_name(runtime: Runtime) -> None:
    code = "import os, platform, socket; print(socket.gethostname(), platform.node(), os.uname().nodename)"
    code += "; print(socket.getfqdn(), socket.gethostbyname(socket.gethostname()))"
    output = runtime.output_of(["python", "-c", code], hostname="web-7", address="10.244.0.40")
    assert output.split() == ["web-7", "web-7", "web-7", "web-7", "10.244.0.40"]


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc", "web.default.svc.cluster.local", "WEB"])
def test_the_names_of_services_lead_to_their_addresses(runtime: Runtime, name: str) -> None:
    (runtime.home.run_dir / "services.json").write_text(json.dumps({"default/web": ["10.96.0.7"]}))
    code = f"import socket; print(socket.gethostbyname({name!r}), socket.getaddrinfo({name!r}, 80)[0][4])"
    assert runtime.output_of(["python", "-c", code]) == "10.96.0.7 ('10.96.0.7', 80)\n"


@pytest.mark.parametrize("name", ["nosuch", "nosuch.default.svc.cluster.local"])
def test_a_name_that_is_none_is_refused_at_once(runtime: Runtime, name: str) -> None:
    ended = runtime.exit_of(runtime.start(["python", "-c", f"import socket; socket.create_connection(({name!r}, 80))"]))
    assert ended["output"].endswith("socket.gaierror: [Errno -2] Name or service not known\n")


def test_asyncio_and_http_servers_listen_like_others(runtime: Runtime) -> None:
    code = """
import asyncio, threading, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(self.client_address[0].encode())
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("", 3000), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://localhost:3000/").read().decode())
async def main():
    async def answer(reader, writer):
        writer.write(b"hello"); writer.close()
    server = await asyncio.start_server(answer, None, 3001)
    print([each.getsockname() for each in server.sockets])
    reader, writer = await asyncio.open_connection("10.244.0.50", 3001)
    print(await reader.read())
asyncio.run(main())
"""
    output = runtime.output_of(["python", "-c", code], address="10.244.0.50")
    assert output == "10.244.0.50\n[('0.0.0.0', 3001)]\nb'hello'\n"


def test_a_machine_with_one_address_serves_every_pod_as_well(runtime_with_one_address: Runtime) -> None:
    runtime = runtime_with_one_address
    for number in (2, 3):
        serve(runtime, "0.0.0.0", 3000, f"10.244.0.{number}")
        answer = visit(runtime, f"10.244.0.{number}", 3000, "10.244.0.4")
        assert "refused" not in answer
    serve(runtime, "127.0.0.1", 4000, "10.244.0.2")
    assert "refused" not in visit(runtime, "localhost", 4000, "10.244.0.2")
    assert visit(runtime, "10.244.0.2", 4000, "10.244.0.3") == "refused\n"
