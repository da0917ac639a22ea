"""Tells how this process and what it depends on are doing: as a function of its own, and within every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import Response

from common import bootstrap
from common.health.models import Health, Liveness, Readiness, Startup
from common.health.service import readiness

if TYPE_CHECKING:
    from flask import Request

log = structlog.get_logger()


def health(request: Request) -> Response:
    """Answers `/health`, `/health/live`, `/health/ready` and `/startup`: 503 where the answer is no."""
    report = _report(request.path)
    if report is None:
        return Response('{"code": "no_such_path"}', 404, content_type="application/json")
    status = 200 if report.ok else 503
    return Response(report.model_dump_json(), status, {"Cache-Control": "no-store"}, content_type="application/json")


def _report(path: str) -> Health | Liveness | Readiness | Startup | None:
    if path == "/health/live":
        return Liveness()
    try:
        found = bootstrap.services()
        if path == "/health/ready":
            return readiness(found.warm_up)
        vitals = found.vitals
    except Exception as error:  # what it says may hold the settings
        log.error("misconfigured", error=type(error).__name__)
        return readiness(None)
    if path == "/startup":
        return vitals.startup()
    return vitals.health() if path in ("/", "/health") else None
