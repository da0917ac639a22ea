"""A fake of the few methods of Slack's Web API that Sight calls, as strict as Slack about what it is sent."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "xoxb-test"
CHANNEL = "C0123456789"
CONTENT = ("text", "blocks", "metadata")


@dataclass
class Workspace:
    """One channel of a workspace. `faults` are taken one for each call: `429`, `500`, `html`, `drop`, `lost` (done, but
    the answer gets lost) or an error of Slack's list."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    may_look: bool = True
    retry_after: float = 1.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, authorization: str, body: dict[str, Any]) -> dict[str, Any]:
        """What Slack answers to a call that reaches it."""
        if authorization != f"Bearer {TOKEN}":
            return _refused("invalid_auth")
        if body.get("channel") != CHANNEL:
            return _refused("channel_not_found")
        if method == "conversations.history":
            if not self.may_look:
                return _refused("missing_scope")
            return {"ok": True, "messages": self.messages[::-1][: int(body["limit"])]}
        wrong = complaint(body)
        if wrong:
            return _refused(wrong)
        content: dict[str, Any] = {name: body[name] for name in CONTENT if name in body}
        if method == "chat.postMessage":
            found: dict[str, Any] = {"ts": f"1700000000.{len(self.messages):06}", **content}
            self.messages.append(found)
        elif method == "chat.update":
            known = [message for message in self.messages if message["ts"] == body.get("ts")]
            if not known:
                return _refused("message_not_found")
            (found,) = known
            found.update(content)
        else:
            return _refused("unknown_method")
        return {"ok": True, "channel": CHANNEL, "ts": found["ts"], "message": found}


def _refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def complaint(body: dict[str, Any]) -> str:
    """Why Slack would not show this, by the limits of its blocks."""
    if not body.get("text"):
        return "no_text"
    blocks = body.get("blocks", [])
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        texts = [(block["text"], 150 if block["type"] == "header" else 3000)] if "text" in block else []
        fields = block.get("fields", [])
        texts += [(each, 2000) for each in fields]
        if len(fields) > 10 or not texts:
            return "invalid_blocks"
        if any(not (each["text"].strip() and len(each["text"]) <= limit) for each, limit in texts):
            return "invalid_blocks"
    return ""


class SlackServer:
    """Serves a workspace on 127.0.0.1 from its making until `close`."""

    def __init__(self) -> None:
        self.workspace = Workspace()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.workspace))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
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


def _handler(workspace: Workspace) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_json = self.headers.get("Content-Type", "").startswith("application/json")
            body = json.loads(raw) if is_json else dict(parse_qsl(raw.decode()))
            method = self.path.removeprefix("/api/")
            with workspace.lock:
                workspace.calls.append((method, body))
                fault = workspace.faults.pop(0) if workspace.faults else ""
                if fault not in ("", "lost"):
                    return self._fail(fault)
                found = workspace.answer(method, self.headers.get("Authorization", ""), body)
            if not fault:
                self._say(200, json.dumps(found).encode())
            return None

        def _fail(self, fault: str) -> None:
            if fault == "429":
                seconds = f"{workspace.retry_after:g}"
                self._say(429, json.dumps(_refused("ratelimited")).encode(), {"Retry-After": seconds})
            elif fault == "500":
                self._say(500, b"")
            elif fault == "html":
                self._say(502, b"<html>Bad gateway</html>")
            elif fault != "drop":
                self._say(200, json.dumps(_refused(fault)).encode())

        def _say(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Writes no access log."""

    return Handler
