"""Answers alerts of Cloud Monitoring, and what engineers ask for at `/ops/`. It works while all else is down.

Nothing is imported here that a rollback can do without: every instance of it starts cold, when users are waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from common import shutdown
from common.bootstrap import services
from common.bus.envelope import parse_push
from common.errors import Malformed, SightError

if TYPE_CHECKING:
    from flask import Request, Response

log = structlog.get_logger()


def rollback(request: Request) -> tuple[str, int] | Response:
    """Handles a push request of the topic sight-alerts, and the commands of `sight ops`."""
    if request.path.startswith("/ops/"):
        from functions.rollback.ops import answer

        return answer(request, services())
    try:
        shutdown.PROCESS.check()
        services().prove(request.headers.get("Authorization"))
        services().rollback.answer(_data(request.get_data()))
    except SightError as error:
        log.warning("alert_deferred", code=error.code, detail=error.detail)
        return error.code, error.status
    except Exception:
        log.exception("alert_failed")
        return "internal", 500
    return "", 204


def _data(body: bytes) -> bytes:
    """The message in a push request; the request itself, to be recorded, where there is none."""
    try:
        return parse_push(body).data
    except Malformed:
        return body
