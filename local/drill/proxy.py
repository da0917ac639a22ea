"""Plays Cloud Run's traffic split: sends each request to a revision by its share, and notes how it was answered."""

from __future__ import annotations

import http.client
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.cloud_run.world import World

REGION = "europe-central2"
CALL_SECONDS = 30.0


class Proxy:
    """Serves all services of a world on 127.0.0.1, under `/{service}/...`, until `close`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """`http://host:port`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def forward(self, service: str, path: str) -> tuple[int, bytes]:
        """The answer of the revision whose turn it is; 503 where its instance died."""
        began = time.time()
        name, address = self._choose(service)
        status, body = _ask(address, path)
        if not path.startswith("/health"):  # uptime checks are no users
            took = (time.time() - began) * 1000
            with self._world.lock:
                self._world.samples.append((time.time(), service, REGION, name, status, took))
        return status, body

    def _choose(self, service: str) -> tuple[str, str]:
        with self._world.lock:
            found = self._world.find(service, REGION)
            shares = {name: found.share_of(name) for name in found.revisions}
            (name,) = random.choices(list(shares), list(shares.values()))
            return name, found.revisions[name].address


def _ask(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=CALL_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 503, b"The request failed because the instance could not start or ended."
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a user who leaves early is no error."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service, _, path = self.path.removeprefix("/").partition("/")
            status, body = proxy.forward(service, f"/{path}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Writes no access log."""

    return Handler
