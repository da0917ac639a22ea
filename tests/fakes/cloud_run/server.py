"""The fake over HTTP: both APIs, and `/control` by which a test in another process sets it."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.cloud_run import documents, time_series
from tests.fakes.cloud_run.faults import CutOff, Refused
from tests.fakes.cloud_run.world import World

SIGHT = "sight-releases@project.iam.gserviceaccount.com"
PAGE = 2
"""Revisions on a page, so few that every listing has several."""


class CloudRunServer:
    """Serves on 127.0.0.1 from its making until `close`."""

    def __init__(self, world: World | None = None, port: int = 0) -> None:
        self.world = world or World()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self.world))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """`http://host:port`, the endpoint of both APIs."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(world: World, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """What the APIs answer. Raises `Refused`."""
    parts = path.strip("/").split("/")
    if parts[0] == "v3":
        if world.faults.take("monitoring_down"):
            raise Refused(503, "The service is currently unavailable.")
        return time_series.answer(world, query)
    if parts[:2] != ["v2", "projects"] or parts[2] != world.project:
        raise Refused(403, "Permission denied")
    if method == "GET" and world.faults.take("reads_down"):
        raise Refused(503, "The service is currently unavailable.")
    region, kind = parts[4], parts[5]
    if kind == "operations":
        if world.faults.take("operations_lost"):
            raise Refused(404, f"Operation {parts[6]} not found")
        return documents.operation(world, "/".join(parts[1:]))
    if method == "PATCH":
        if query.get("updateMask") != "traffic":
            raise Refused(400, "The fake only takes updateMask=traffic.")
        if "etag" in body:
            raise Refused(409, "The etag does not match.")
        if body.get("name", "/".join(parts[1:])) != "/".join(parts[1:]):
            raise Refused(400, "The name must be that of the service.")
        return documents.operation(world, world.patch(parts[6], region, body["traffic"], SIGHT))
    found = world.find(parts[6], region)
    with world.lock:
        if len(parts) == 8:
            start = int(query.get("pageToken", "0"))
            listed = sorted(found.revisions.values(), key=lambda each: each.created, reverse=True)
            page: dict[str, Any] = {
                "revisions": [documents.revision(world, found, each) for each in listed[start : start + PAGE]]
            }
            if start + PAGE < len(listed):
                page["nextPageToken"] = str(start + PAGE)
            return page
        return documents.service(world, found)


def control(world: World, asked: dict[str, Any]) -> dict[str, Any]:
    """Does what a test asks: a method of the world by name with its arguments, and `faults`."""
    with world.lock:
        for name, value in asked.get("faults", {}).items():
            setattr(world.faults, name, value)
        for call in asked.get("calls", ()):
            getattr(world, call["do"])(**call.get("with", {}))
        world.samples += [tuple(sample) for sample in asked.get("samples", ())]
        world.crashes += [tuple(crash) for crash in asked.get("crashes", ())]
        world.probes += [tuple(probe) for probe in asked.get("probes", ())]
        return {
            "patches": world.patches,
            "refused": world.refused,
            "faults": asdict(world.faults),
            "services": {
                name: {each: found.share_of(each) for each in found.revisions}
                for (_, name), found in world.services.items()
            },
        }


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else {}
            url = urlsplit(self.path)
            headers: dict[str, str] = {}
            try:
                if url.path == "/control":
                    status, found = 200, control(world, body)
                else:
                    status, found = 200, answer(world, self.command, url.path, dict(parse_qsl(url.query)), body)
            except CutOff:
                self.close_connection = True
                return
            except Refused as refused:
                status, found = refused.status, refused.document
                if refused.retry_after is not None:
                    headers["Retry-After"] = str(refused.retry_after)
            data = json.dumps(found).encode()
            if world.faults.take("garbage"):
                data = b"<html>Please wait ...</html>"
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = handle_request  # noqa: N815 (the names http.server asks for)

        def log_message(self, format: str, *args: Any) -> None:
            """Writes no access log."""

    return Handler
