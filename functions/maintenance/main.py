"""Sweeps up what a dead process, a lost message or the clock left behind. Cloud Scheduler calls it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from common.bootstrap import services
from common.errors import SightError
from common.jobs.sweep import sweep

if TYPE_CHECKING:
    from flask import Request


def maintenance(request: Request) -> tuple[dict[str, object], int]:
    """Runs one sweep and answers what it found."""
    try:
        services().prove(request.headers.get("Authorization"))
        return asdict(sweep(services().engine, services().relay)), 200
    except SightError as error:
        return {"code": error.code, "detail": error.detail}, error.status
