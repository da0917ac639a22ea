"""Serves an app over HTTP with gunicorn, until a signal ends it in an orderly way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from common.shutdown import LIMIT_SECONDS, PROCESS
from functions import process

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

GRACE_SECONDS = int(LIMIT_SECONDS) - 1
"""When a process that did not end by itself is killed: before Cloud Run kills all of them."""

LINGER_SECONDS = 0.25
"""How long an ending process keeps connections that are open and silent, for a request that may be on its way."""

KEEPALIVE_SECONDS = 60

SKIPPED_BYTES = 64 * 1024
"""How much gunicorn reads of what an app left of a body. Where more is left it drops the connection, though its answer
has said that it would keep it, and the next request on it is lost."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (gunicorn makes its own private file there)


def serve(
    app: WSGIApplication,
    *,
    bind: Sequence[str],
    processes: int,
    threads: int,
    forked: Callable[[], None] = lambda: None,
) -> None:
    """Serves `app` at `bind` (gunicorn's `host:port` or `fd://number`) until SIGTERM or SIGINT. `forked` is called
    first in each process that serves."""
    _Server(app, bind=bind, processes=processes, threads=threads, forked=forked).run()


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, which ends as all processes of ours do."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begins to end."""
        PROCESS.begin()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Begins to end: what is under way is worth the same when it is Ctrl-C that ends it."""
        self.handle_exit(sig, frame)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(min(deadline, time.monotonic() + LINGER_SECONDS))


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(
        self,
        app: WSGIApplication,
        *,
        bind: Sequence[str],
        processes: int,
        threads: int,
        forked: Callable[[], None],
    ) -> None:
        self._app = app
        self._options: dict[str, Any] = {
            "bind": list(bind),
            "control_socket_disable": True,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEEPALIVE_SECONDS,
            "loglevel": "warning",
            "post_fork": lambda _arbiter, _worker: forked(),
            "post_worker_init": lambda _worker: process.attend(process.hand_over),
            "preload_app": True,
            "threads": threads,
            "timeout": 0,  # a busy machine is no reason to kill a process that is at work
            "worker_class": Worker,
            "worker_exit": _finish,
            "workers": processes,
        }
        if SHARED_MEMORY.is_dir():
            self._options["worker_tmp_dir"] = str(SHARED_MEMORY)
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        return _closing(self._app)


def _closing(app: WSGIApplication) -> WSGIApplication:
    """The app, with its refusals of long bodies, which it may not have read, as the last on their connections."""

    def closing(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if status >= "4" and _is_long(environ):
                # gunicorn decides on the connection by itself, and leaves out what an app says of it.
                start_response.__self__.force_close()
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return closing


def _is_long(environ: WSGIEnvironment) -> bool:
    length: str = environ.get("CONTENT_LENGTH") or "0"
    return "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal() or int(length) > SKIPPED_BYTES


def _finish(_arbiter: Any, worker: Any) -> None:
    if worker.pid != os.getpid():
        return  # the process above calls this as well, for one that it finds dead
    process.finish()
    if PROCESS.begun:
        os._exit(0)  # taking the interpreter apart takes longer than all the rest
