"""Tests of asking a revision how it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from common.releases import probe as probing
from common.releases.probe import Health, probe

Serve = Callable[[int, bytes], str]
DOWN = {"status": "down", "error": "timeout"}
UP = {"status": "up"}


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves one answer at `/health`, and returns the address."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/health" else 404)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Writes no access log."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def health(**checks: dict[str, str]) -> bytes:
    """A body of /health."""
    return json.dumps({"status": "unhealthy", "checks": checks}).encode()


def test_a_revision_that_answers_is_up(serve: Serve) -> None:
    """200 is enough: degraded serves users as well."""
    assert probe(serve(200, health(database=UP, redis=DOWN)) + "/") == Health(True, "it answers as healthy now")


def test_a_revision_whose_dependencies_are_down_says_which(serve: Serve) -> None:
    """That is what the on-call engineer has to look at."""
    found = probe(serve(503, health(database=DOWN, redis=DOWN, neo4j=UP)))
    assert found == Health(False, "it says itself that database and redis are down")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b""),
        (503, b"no healthy upstream"),
        (503, b"[]"),
        (503, b'{"checks": []}'),
        (503, b'{"checks": {"database": "down"}}'),
        (503, health(database=UP)),
        (500, health(database=DOWN)),
        (403, b"forbidden"),
        (404, b""),
        (302, b""),
    ],
)
def test_any_other_answer_proves_nothing(serve: Serve, status: int, body: bytes) -> None:
    """A proxy in front, a page of errors, a redirect: whether it would do better is not known."""
    assert probe(serve(status, body)) is None


def test_a_revision_that_cannot_be_reached_proves_nothing() -> None:
    """Nobody listens, the address is none."""
    assert probe("http://127.0.0.1:9") is None
    assert probe("https://") is None


def test_a_revision_that_never_answers_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for as long as its own checks may take, and no longer."""
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.1)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        assert probe(f"http://127.0.0.1:{silent.server_port}") is None
