"""A small HTTP server on loopback that answers as it is told, for what the real API cannot be made to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Say:
    """An answer; `drop` closes the connection without one, `stream` sends its pieces and closes, in the middle
    of a chunk when `cut`."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: tuple[str, ...] | None = None
    cut: bool = False
    drop: bool = False


Handler = Callable[[Asked], Say]


@dataclass
class FakeApi:
    """What it answers, by method and path, and what it was asked."""

    url: str = ""
    handlers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Say | Handler) -> None:
        """Answers requests for `path` with these in turn, the last of them from then on."""
        queue = list(answers)

        def next_answer(asked: Asked) -> Say:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            return answer(asked) if callable(answer) else answer

        self.handlers[method, f"/api/v1{path}"] = next_answer

    def asked_for(self, path: str) -> list[Asked]:
        """The requests for `path` so far."""
        return [asked for asked in self.asked if asked.path == f"/api/v1{path}"]


@contextmanager
def serve() -> Iterator[FakeApi]:
    """Runs the server on a free port."""
    api = FakeApi()

    class RequestHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
            api.asked.append(asked)
            handler = api.handlers.get((self.command, parts.path))
            self._say(handler(asked) if handler else Say({"detail": f"no answer for {parts.path}"}, 404))

        def _say(self, say: Say) -> None:
            if say.drop:
                self.close_connection = True
                return
            self.send_response(say.status)
            for name, value in say.headers.items():
                self.send_header(name, value)
            if say.stream is None:
                data = b"" if say.body is None else say.body if isinstance(say.body, bytes) else _json(say.body)
                if "Content-Type" not in say.headers:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in say.stream:
                data = piece.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"40\r\nhalf a chu" if say.cut else b"0\r\n\r\n")
            self.close_connection = say.cut

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), RequestHandler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
