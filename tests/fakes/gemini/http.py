"""Just enough HTTP/1.1 for one client library: keep-alive, bodies of a known length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(slots=True)
class HttpRequest:
    """A whole request; `head` is the request line and headers, in lower case after the first line."""

    method: str
    path: str
    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header, named in lower case, or nothing."""
        _, _, rest = self.head.partition(b"\r\n" + name + b":")
        return rest.split(b"\r\n", 1)[0].strip()


@dataclass(slots=True)
class HttpReply:
    """A reply to write. `delay` is in seconds, None for never; `cut` hangs up after half of the body, or
    before anything where there is no body."""

    status: int
    body: bytes
    headers: dict[str, str]
    delay: float | None = 0.0
    cut: bool = False


Handler = Callable[[HttpRequest], HttpReply]


class Connection(asyncio.Protocol):
    """One client connection. `handler` answers each request; `done` hears of each one's end."""

    def __init__(self, handler: Handler, done: Callable[[], None]) -> None:
        self._handler = handler
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._busy:
            self._busy = False
            self._done()
        self._transport = None

    def _next(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        line, _, headers = head.partition(b"\r\n")
        method, path, _ = line.decode("latin-1").split(" ", 2)
        request = HttpRequest(method, path, line + b"\r\n" + _lower_names(headers), b"")
        length = int(request.header(b"content-length") or 0)
        if len(rest) < length:
            return
        request.body, self._buffer = rest[:length], rest[length:]
        self._busy = True
        reply = self._handler(request)
        if reply.delay is None:
            return
        if reply.delay:
            self._timer = asyncio.get_running_loop().call_later(reply.delay, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: HttpReply) -> None:
        assert self._transport is not None
        self._busy = False
        self._timer = None
        self._done()
        if reply.cut and not reply.body:
            self._transport.abort()
            return
        head = _head(reply)
        if reply.cut:
            self._transport.write(head + reply.body[: len(reply.body) // 2])
            self._transport.close()
            return
        self._transport.write(head + reply.body)
        if self._buffer:
            self._next()


def _head(reply: HttpReply) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    return (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(reply.body)}\r\n{headers}\r\n"
    ).encode()


def _lower_names(headers: bytes) -> bytes:
    lines = []
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        lines.append(name.lower() + b":" + value)
    return b"\r\n".join(lines)
