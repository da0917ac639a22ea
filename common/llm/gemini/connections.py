"""Keep-alive connections to one HTTP server, at a third of the CPU that requests takes."""

from __future__ import annotations

import select
import socket
import ssl
import time
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answered."""

    status_code: int
    headers: HTTPMessage
    body: bytes


class ConnectionFailed(Exception):
    """There was no whole answer: no connection, a dropped one, or none in time. `sent` says whether the server had the
    whole request by then, and may have done what it asks for."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Connections:
    """Connections to one `http://` or `https://` endpoint, through the proxy the environment names at start-up.

    Each is used by one thread at a time and kept for the next; there are as many as there are calls at once.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = urlsplit(endpoint)
        self._proxy = _proxy(self._endpoint)
        self._tls = _tls() if self._endpoint.scheme == "https" else None
        self._idle: deque[HTTPConnection] = deque()
        self._busy: set[HTTPConnection] = set()

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> Response:
        """Sends one request and reads its whole answer within `timeout` seconds. Raises `ConnectionFailed`."""
        deadline = time.monotonic() + timeout
        connection = self._take()
        sent = reusable = False
        self._busy.add(connection)
        try:
            _limit(connection, deadline)
            if connection.sock is None:
                connection.connect()
            connection.sock.sendall(self._head(path, headers, len(body)) + body)
            sent = True
            _limit(connection, deadline)
            with closing(HTTPResponse(connection.sock, method="POST")) as response:
                response.begin()
                _limit(connection, deadline)
                content = response.read()
            reusable = not response.will_close
        except (OSError, HTTPException) as error:
            raise ConnectionFailed(f"{type(error).__name__}: {error}", sent=sent) from error
        finally:
            self._busy.discard(connection)
            if reusable:
                self._idle.append(connection)
            else:
                connection.close()
        return Response(response.status, response.headers, content)

    def interrupt(self) -> None:
        """Breaks off the requests under way: each raises `ConnectionFailed` in its thread."""
        for connection in list(self._busy):
            if connection.sock is not None:
                with suppress(OSError):  # it ended a moment ago
                    # Not that of SSLSocket, which takes the TLS layer away from the thread that reads through it.
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> HTTPConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connection()
            # A server says goodbye to an idle connection by closing it, which makes it readable.
            if connection.sock is not None and not _readable(connection.sock):
                return connection
            connection.close()

    def _connection(self) -> HTTPConnection:
        at = self._proxy or self._endpoint
        host, port = at.hostname or "", at.port
        if self._tls is None:
            return HTTPConnection(host, port)
        connection = HTTPSConnection(host, port, context=self._tls)
        if self._proxy:
            connection.set_tunnel(self._endpoint.hostname or "", self._endpoint.port or 443, _credentials(self._proxy))
        return connection

    def _head(self, path: str, headers: Mapping[str, str], length: int) -> bytes:
        # http.client sends head and body in two packets, which costs a system call and wakes the server twice.
        plain_proxy = self._proxy if self._tls is None else None
        target = f"{self._endpoint.geturl()}{path}" if plain_proxy else path
        headers = {**headers, **(_credentials(plain_proxy) if plain_proxy else {})}
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {self._endpoint.netloc}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _limit(connection: HTTPConnection, deadline: float) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("timed out")
    connection.timeout = remaining
    if connection.sock is not None:
        connection.sock.settimeout(remaining)


def _proxy(endpoint: SplitResult) -> SplitResult | None:
    proxy = urllib.request.getproxies().get(endpoint.scheme)
    if not proxy or urllib.request.proxy_bypass(endpoint.hostname or ""):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _tls() -> ssl.SSLContext:
    """Trusts what this machine trusts, and Mozilla's list where it has none of its own."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context
