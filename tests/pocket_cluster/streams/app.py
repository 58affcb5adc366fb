"""What the pods of these tests run: it says what it was asked, and how it was asked."""

import http.server
import json
import signal
import socket
import sys

PAGE = """<!doctype html><a href="/a?b=1&amp;c=2">A</a> <a href='b'>B</a> <img src=/c.png><form ACTION="/post"></form>
<a href="http://example.org/x">E</a><script>var a = "<a href='/no'>";</script><p title="/t">é</p>
"""


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = {
            "pod": socket.gethostname(),
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": body,
            "client": self.client_address[0],
        }
        headers = {"Content-Type": "application/json", "X-App": "yes"}
        said = json.dumps(asked)
        if "html" in self.path:
            headers["Content-Type"], said = "text/html; charset=utf-8", PAGE
        if "redirect" in self.path:
            headers["Location"] = "/elsewhere?x=1"
        self.send(int(self.headers.get("X-Status", 200)), headers, said.encode())

    def send(self, code: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 3000), Echo).serve_forever()
