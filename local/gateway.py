"""The one HTTP address of the stack, served by gunicorn as on Cloud Run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from functions import server
from local.launch import tie_to_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PUSH_PATH = "/_functions"
"""Where Pub/Sub pushes to when it carries the events: `/_functions/{function}`."""

OPS_PATH = "/ops"
"""What engineers ask for, which the function `rollback` serves at its own address on Cloud Run."""


def route(
    api: WSGIApplication, functions: Mapping[str, WSGIApplication], *, rollback: WSGIApplication
) -> WSGIApplication:
    """An app that serves `functions` by name under `/_functions/`, the rollback under `/ops/`, and the API everywhere
    else."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(f"{PUSH_PATH}/"):
            name, _, rest = path.removeprefix(f"{PUSH_PATH}/").partition("/")
            if name in functions:
                environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{PUSH_PATH}/{name}"
                environ["PATH_INFO"] = f"/{rest}"
                return functions[name](environ, start_response)
        if path.startswith(f"{OPS_PATH}/"):
            return rollback(environ, start_response)
        return api(environ, start_response)

    return app


def serve(app: WSGIApplication, *, listener: int, processes: int, threads: int) -> None:
    """Serves `app` on the listening socket with the file descriptor `listener`, until a signal ends it."""
    server.serve(app, bind=[f"fd://{listener}"], processes=processes, threads=threads, forked=_tie)


def _tie() -> None:
    tie_to_parent(os.getppid(), signal.SIGKILL)
