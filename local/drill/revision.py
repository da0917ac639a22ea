"""One revision of the API in a process of its own, with a fault built in: `python -m local.drill.revision`.

Everything but the fault is the real API on a real database.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from functions.loading import load
from functions.server import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FAULTS = ("none", "5xx", "slow", "crashing")
ERROR_SHARE = 0.4
SLOW_SECONDS = 2.5
REQUESTS_BEFORE_CRASH = 15


def main() -> None:
    """Serves the API with its fault until SIGTERM."""
    parser = argparse.ArgumentParser(prog="local.drill.revision")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    options = parser.parse_args()
    app = broken(load("api"), options.fault)
    serve(app, bind=[f"127.0.0.1:{options.port}"], processes=1, threads=32)


def broken(app: WSGIApplication, fault: str) -> WSGIApplication:
    """The API as a bad deployment would serve it."""
    served = 0
    lock = threading.Lock()

    def serve_badly(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal served
        users = environ["PATH_INFO"].startswith("/api/")  # a fault that a smoke test of pages does not meet
        if users and fault == "5xx" and random.random() < ERROR_SHARE:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"a bug of this revision"]
        if users and fault == "slow":
            time.sleep(SLOW_SECONDS)
        if users and fault == "crashing":
            with lock:
                served += 1
                if served > REQUESTS_BEFORE_CRASH:
                    print("Container called exit(1).", flush=True)  # noqa: T201 (the entry that is counted)
                    os._exit(1)
        return app(environ, start_response)

    return app if fault == "none" else serve_badly


if __name__ == "__main__":
    main()
