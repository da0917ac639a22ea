"""The one HTTP address of the stack, served by gunicorn as on Cloud Run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from local.launch import tie_to_parent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PUSH_PATH = "/_functions"
"""Where Pub/Sub pushes to when it carries the events: `/_functions/{function}`."""

GRACE_SECONDS = 5
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (gunicorn makes its own private file there)


def route(api: WSGIApplication, functions: Mapping[str, WSGIApplication]) -> WSGIApplication:
    """An app that serves `functions` by name under `/_functions/`, and the API everywhere else."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(f"{PUSH_PATH}/"):
            name, _, rest = path.removeprefix(f"{PUSH_PATH}/").partition("/")
            if name in functions:
                environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}{PUSH_PATH}/{name}"
                environ["PATH_INFO"] = f"/{rest}"
                return functions[name](environ, start_response)
        return api(environ, start_response)

    return app


def serve(app: WSGIApplication, *, listener: int, processes: int, threads: int) -> None:
    """Serves `app` on the listening socket with the file descriptor `listener`, until a signal ends it."""
    _Server(app, listener=listener, processes=processes, threads=threads).run()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, app: WSGIApplication, *, listener: int, processes: int, threads: int) -> None:
        self._app = app
        self._options: dict[str, Any] = {
            "bind": [f"fd://{listener}"],
            "control_socket_disable": True,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 60,
            "loglevel": "warning",
            "post_fork": _tie,
            "preload_app": True,
            "threads": threads,
            "timeout": 0,  # a busy machine is no reason to kill a process that is at work
            "worker_class": "gthread",
            "workers": processes,
        }
        if SHARED_MEMORY.is_dir():
            self._options["worker_tmp_dir"] = str(SHARED_MEMORY)
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        return self._app


def _tie(_arbiter: Any, _worker: Any) -> None:
    tie_to_parent(os.getppid(), signal.SIGKILL)
