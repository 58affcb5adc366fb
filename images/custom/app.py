"""kubechaos: a small web application that says which pod serves it, with a surprise at each refresh.

Only Python's standard library. What differs between versions stands in surprises.py. Texts and colours can be set
from outside: by a file in /etc/kubechaos (a mounted ConfigMap), else by an environment variable KUBECHAOS_…
"""

import contextlib
import html
import http.server
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import threading
import urllib.parse

import surprises

POD = socket.gethostname()
SETTINGS = pathlib.Path("/etc/kubechaos")
IDLE_SECONDS = 5  # a connection that is idle for longer is closed, as Node.js servers do

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title} ({version})</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }}
  header {{ background: {colour}; color: #fff; padding: 1rem 1.5rem; border-radius: .5rem; }}
  h1 {{ margin: 0; font-size: 1.6rem; }}
  .surprise {{ font-size: 1.6rem; margin: 1.5rem 0; }}
</style>
</head>
<body>
<header><h1>{title}</h1>Version: <strong>{version}</strong></header>
<p class="surprise">{surprise}</p>
<p>Served by pod: <strong>{pod}</strong></p>
<p>This is request <strong>{request}</strong> on connection <strong>{connection}</strong> to this pod.
Refresh for another surprise.</p>
</body>
</html>
"""


def setting(name, default):
    """A text that can be set from outside without building the image again."""
    try:
        return (SETTINGS / name).read_text().strip()
    except OSError:
        return os.environ.get(f"KUBECHAOS_{name.upper()}", default)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. Its requests come one after the other."""

    protocol_version = "HTTP/1.1"  # connections are kept alive
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body

    def setup(self):
        super().setup()
        self.connection_number = next(self.server.connections)
        self.request_number = 0
        self.server.idle.add(self.connection)

    def finish(self):
        self.server.idle.discard(self.connection)
        super().finish()

    def parse_request(self):
        self.server.idle.discard(self.connection)
        return super().parse_request()

    def handle_one_request(self):
        super().handle_one_request()
        if self.server.stopping:
            self.close_connection = True
        self.server.idle.add(self.connection)

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path)
        if path.path == "/healthz":
            return self.answer(200, "text/plain", "ok\n")
        if path.path != "/":
            return self.answer(404, "text/plain", "There is only one page: /\n")
        self.request_number += 1
        facts = self.facts()
        wants_json = "format=json" in path.query or "application/json" in self.headers.get("Accept", "")
        if wants_json:
            return self.answer(200, "application/json", json.dumps(facts) + "\n")
        shown = {name: html.escape(str(value)) for name, value in facts.items()}
        return self.answer(200, "text/html; charset=utf-8", PAGE.format(**shown))

    do_HEAD = do_GET

    def facts(self):
        return {
            "title": setting("title", surprises.TITLE),
            "version": surprises.VERSION,
            "colour": setting("colour", surprises.COLOUR),
            "surprise": random.choice(surprises.SURPRISES),
            "pod": POD,
            "connection": self.connection_number,
            "request": self.request_number,
        }

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Pod", POD)
        if self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, form, *values):
        print(self.client_address[0], form % values, flush=True)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = False  # what is being served when the pod is told to end is finished first

    def __init__(self, address):
        super().__init__(address, Handler)
        self.connections = itertools.count(1)
        self.idle = set()
        self.stopping = False

    def handle_error(self, request, client_address):
        print(client_address[0], "went away", flush=True)

    def stop(self):
        """Accept nothing more, let busy connections finish, close idle ones."""
        self.stopping = True
        self.shutdown()
        for connection in list(self.idle):
            with contextlib.suppress(OSError):  # it may have closed by itself
                connection.shutdown(socket.SHUT_RD)


def main():
    server = Server(("0.0.0.0", int(os.environ.get("PORT", "3000"))))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.stop).start())
    print(f"{surprises.VERSION} listens on port {server.server_port} as {POD}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    print("finished", flush=True)


if __name__ == "__main__":
    main()
