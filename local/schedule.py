"""Calls the maintenance function every few seconds, as Cloud Scheduler does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from local.wsgi import post

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

EVERY_SECONDS = 5.0

log = structlog.get_logger()


def start(maintenance: WSGIApplication, *, every: float = EVERY_SECONDS) -> threading.Event:
    """Starts a thread that posts to the function, and returns what ends it when set."""
    stopping = threading.Event()
    threading.Thread(target=_run, args=[maintenance, every, stopping], name="schedule", daemon=True).start()
    return stopping


def _run(maintenance: WSGIApplication, every: float, stopping: threading.Event) -> None:
    healthy = True
    while not stopping.wait(every):
        try:
            status = post(maintenance, b"{}")
        except Exception:
            log.exception("maintenance_failed")
            continue
        if (status < 400) != healthy:  # said once when it starts to fail and once when that ends
            healthy = status < 400
            log.log(20 if healthy else 30, "maintenance_answers", status=status)
