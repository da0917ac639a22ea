"""Finds what a dead process, a lost message or the clock left behind, and sets it going again.

Everything here runs over all workspaces, may run twice at once, and is safe to stop anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

from common.database.engine import autocommit
from common.events import outbox
from common.jobs import fan_out, leases, stops
from common.jobs.errors import JobNotOpen

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from common.events.outbox import Relay

log = structlog.get_logger()

STALE_OUTBOX_SECONDS = 5.0
STALE_READY_SECONDS = 120.0
LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was found: outbox rows published, leases freed, items asked for again, jobs stopped."""

    published: int
    freed: int
    asked: int
    stopped: int


def sweep(engine: Engine, relay: Relay) -> Swept:
    """One pass over everything that may have been left behind."""
    stale = outbox.stale(engine, STALE_OUTBOX_SECONDS, LIMIT)
    relay.send(stale)
    with autocommit(engine) as connection:
        freed = leases.expire(connection)
        stopped = _stop_overdue(connection, relay)
    with engine.begin() as connection:
        asked = fan_out.ask_again(connection, STALE_READY_SECONDS, LIMIT)
    relay.send(asked)
    swept = Swept(len(stale), freed, len(asked), stopped)
    if any((swept.published, swept.freed, swept.asked, swept.stopped)):
        log.info("swept", published=swept.published, freed=swept.freed, asked=swept.asked, stopped=swept.stopped)
    return swept


def _stop_overdue(connection: Connection, relay: Relay) -> int:
    """Stops jobs past their deadline, and finishes stopping those that have items nobody will work on."""
    rows = connection.execute(
        text("""
            SELECT id, workspace_id, coalesce(stop_reason, 'deadline') AS reason FROM jobs j
            WHERE finished_at IS NULL AND (
                (stop_reason IS NULL AND deadline_at <= now())
                OR (stop_reason IS NOT NULL AND EXISTS (
                    SELECT 1 FROM job_items i WHERE i.job_id = j.id AND i.state IN ('ready', 'waiting'))))
            LIMIT :limit
        """),
        {"limit": LIMIT},
    ).all()
    for row in rows:
        try:
            relay.send(stops.stop(connection, row.workspace_id, row.id, row.reason))
        except JobNotOpen:
            continue
    return len(rows)
