"""Sweeps up what a dead process, a lost message or the clock left behind. Cloud Scheduler calls it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from common.bootstrap import Services, services
from common.errors import SightError
from common.jobs.sweep import sweep
from common.notify.send import send_overdue
from common.releases.sweep import observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Request

log = structlog.get_logger()


def maintenance(request: Request) -> tuple[dict[str, object], int]:
    """Runs one sweep and answers what it found; where a part of it failed, how, after all others have run."""
    s = services()
    found: dict[str, object] = {}
    answer = found, 200
    try:
        s.prove(request.headers.get("Authorization"))
    except SightError as error:
        return {"code": error.code, "detail": error.detail}, error.status
    for part in _parts(s):
        try:
            found |= part()
        except SightError as error:
            log.warning("sweep_incomplete", code=error.code, detail=error.detail)
            answer = {"code": error.code, "detail": error.detail}, error.status
    return answer


def _parts(s: Services) -> Iterator[Callable[[], dict[str, Any]]]:
    """Users first: a change of traffic that was cut off needs no bus to be finished."""
    if s.policies:
        yield lambda: {"changes": s.rollback.finish_overdue()}
        yield lambda: {"steps": s.walk.overdue()}
        yield lambda: {"serving": observe(s.engine, s.cloud_run, s.policies, s.settings.tasks_location)}
    yield lambda: asdict(sweep(s.engine, s.relay))
    yield lambda: {"notifications": send_overdue(s.engine, s.bus)}
