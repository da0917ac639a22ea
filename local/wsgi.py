"""Calls a WSGI app in this process, without a socket in between."""

from __future__ import annotations

import io
import sys
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def post(app: WSGIApplication, body: bytes, *, path: str = "/") -> int:
    """Posts a JSON body and returns the status of the response, which is read to its end.

    Raises whatever the app raises instead of answering.
    """
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    answered: list[int] = []

    def start_response(status: str, _headers: list[tuple[str, str]], _error: Any = None) -> Any:
        answered.append(int(status.partition(" ")[0]))
        return lambda _written: None

    start: StartResponse = start_response
    chunks: Any = app(environ, start)
    with closing(chunks) if hasattr(chunks, "close") else nullcontext():
        for _ in chunks:
            pass
    return answered[-1]
