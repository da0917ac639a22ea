"""A stand-in for Cloud Tasks on one machine: takes tasks by its REST API and makes their requests in time.

It keeps tasks in memory, as the Pub/Sub emulator keeps messages: what a job loses with it, the maintenance
sweep finds again.
"""

from __future__ import annotations

import base64
import heapq
import http.client
import itertools
import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import URLError

REQUEST_SECONDS = 600.0
MIN_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 60.0
THREADS = 32
"""How many requests are made at once."""


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    url: str = field(compare=False)
    body: bytes = field(compare=False)
    headers: dict[str, str] = field(compare=False)
    attempts: int = field(default=0, compare=False)


class TaskServer:
    """Serves on 127.0.0.1 from its making until `close`; `url` is its address."""

    def __init__(self, port: int = 0) -> None:
        self._due: list[_Due] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._closed = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="task")
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._dispatch, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        """`http://host:port`, as the setting `SIGHT_TASKS_ENDPOINT` takes it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def accept(self, parent: str, task: dict[str, Any]) -> dict[str, Any]:
        """Takes a task as `projects.locations.queues.tasks.create` does, and returns it with its name."""
        request = task["httpRequest"]
        at = datetime.fromisoformat(task["scheduleTime"]).timestamp() if "scheduleTime" in task else time.time()
        number = next(self._numbers)
        body = base64.b64decode(request.get("body", ""))
        self._put(_Due(at, number, request["url"], body, request.get("headers", {})))
        return {**task, "name": f"{parent}/tasks/{number}", "createTime": datetime.now(UTC).isoformat()}

    def close(self) -> None:
        """Stops serving and forgets what is not due yet."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _put(self, due: _Due) -> None:
        with self._changed:
            heapq.heappush(self._due, due)
            self._changed.notify()

    def _dispatch(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0].at > time.time()):
                    self._changed.wait(self._due[0].at - time.time() if self._due else None)
                if self._closed:
                    return
                due = heapq.heappop(self._due)
            self._pool.submit(self._make, due)

    def _make(self, due: _Due) -> None:
        headers = {"Content-Type": "application/json", **due.headers}
        request = urllib.request.Request(due.url, due.body, headers, method="POST")  # noqa: S310 (our own functions)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS):  # noqa: S310
                return
        except URLError as error:  # a status other than 2xx too
            if hasattr(error, "close"):
                error.close()
        except (OSError, http.client.HTTPException):
            pass
        due.attempts += 1
        due.at = time.time() + min(MIN_BACKOFF_SECONDS * 2.0**due.attempts, MAX_BACKOFF_SECONDS)
        self._put(due)


def _handler_of(tasks: TaskServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Serves `POST /v2/{queue}/tasks`."""
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parent = self.path.partition("?")[0].removeprefix("/v2/").removesuffix("/tasks")
            try:
                status, answer = 200, tasks.accept(parent, json.loads(raw)["task"])
            except (ValueError, KeyError, TypeError) as error:
                status, answer = 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": str(error)}}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Writes no access log."""

    return Handler
