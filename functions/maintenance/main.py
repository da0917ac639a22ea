"""Sweeps up what a dead process, a lost message or the clock left behind. Cloud Scheduler calls it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from common.bootstrap import services
from common.errors import SightError
from common.jobs.sweep import sweep
from common.notify.send import send_overdue
from common.releases.sweep import observe

if TYPE_CHECKING:
    from flask import Request


def maintenance(request: Request) -> tuple[dict[str, object], int]:
    """Runs one sweep and answers what it found."""
    s = services()
    try:
        s.prove(request.headers.get("Authorization"))
        swept = asdict(sweep(s.engine, s.relay))
        swept["notifications"] = send_overdue(s.engine, s.bus)
        if s.policies:
            swept["changes"] = s.rollback.finish_overdue()
            swept["steps"] = s.walk.overdue()
            swept["serving"] = observe(s.engine, s.cloud_run, s.policies, s.settings.tasks_location)
        return swept, 200
    except SightError as error:
        return {"code": error.code, "detail": error.detail}, error.status
