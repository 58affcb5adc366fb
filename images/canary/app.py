"""A version with a mistake: it starts, it says that it is healthy, and it fails at every page.

/healthz         "ok", as long as this program can answer
/                500: it wants a setting, KUBECHAOS_PRAISE, that nobody gives
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POD = os.environ.get("HOSTNAME", "unknown")


class Canary(BaseHTTPRequestHandler):
    """One connection."""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            return self.answer(200, "ok")
        try:
            return self.answer(200, os.environ["KUBECHAOS_PRAISE"])
        except KeyError as missing:
            print(f"the page failed: the setting {missing} is not there", flush=True)
            return self.answer(500, "This program has a mistake: see its log.")

    def answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Pod", POD)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Only mistakes are written down."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("0.0.0.0", 3000), Canary)
    print(f"{POD} is the canary and listens on port 3000", flush=True)
    server.serve_forever()
