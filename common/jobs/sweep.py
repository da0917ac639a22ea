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
from common.jobs import ends, fan_out, leases, stops
from common.jobs.errors import JobNotOpen

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from common.events.outbox import Pending, Relay

log = structlog.get_logger()

STALE_OUTBOX_SECONDS = 5.0
STALE_READY_SECONDS = 120.0
STALE_JOB_SECONDS = 120.0
STALE_END_SECONDS = 120.0
TELL_AGAIN_SECONDS = 3600.0
LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was found: outbox rows published, leases freed, items, layouts, rounds and what follows on jobs
    asked for again, jobs stopped."""

    published: int
    freed: int
    asked: int
    stopped: int


def sweep(engine: Engine, relay: Relay) -> Swept:
    """One pass over everything that may have been left behind. Raises `BusUnavailable` after all of it was
    done but the publishing: leases and deadlines do not wait for the bus."""
    stale = outbox.stale(engine, STALE_OUTBOX_SECONDS, LIMIT)
    with autocommit(engine) as connection:
        freed = leases.expire(connection)
        stopped, ended = _stop_overdue(connection)
    with engine.begin() as connection:
        asked = fan_out.ask_again(connection, STALE_READY_SECONDS, LIMIT)
    with engine.begin() as connection:
        asked += fan_out.go_on(connection, STALE_JOB_SECONDS, LIMIT)
    with engine.begin() as connection:
        asked += ends.tell_again(connection, STALE_END_SECONDS, TELL_AGAIN_SECONDS, LIMIT)
    relay.send([*stale, *ended, *asked])
    swept = Swept(len(stale), freed, len(asked), stopped)
    if any((swept.published, swept.freed, swept.asked, swept.stopped)):
        log.info("swept", published=swept.published, freed=swept.freed, asked=swept.asked, stopped=swept.stopped)
    return swept


def give_up(engine: Engine, relay: Relay, owner: str, *, counted: bool) -> int:
    """Frees the items a process held that has died, or is ending (`counted=False`: that was no attempt of
    theirs), asks for them again at once and returns how many there were. Raises `sqlalchemy.exc.DBAPIError`."""
    with engine.begin() as connection:
        freed = leases.give_up(connection, owner, counted=counted)
        asked = fan_out.ask_again(connection, STALE_READY_SECONDS, LIMIT) if freed else []
    relay.offer(asked)
    return freed


def _stop_overdue(connection: Connection) -> tuple[int, list[Pending]]:
    """Stops jobs past their deadline and those accepted while their project was deleted, and finishes stopping those
    that have items nobody will work on. Returns how many there were and what is to be published."""
    rows = connection.execute(
        text("""
            SELECT j.id, j.workspace_id, coalesce(
                stop_reason, CASE WHEN p.deleted_at IS NULL THEN 'deadline' ELSE 'cancelled' END) AS reason
            FROM jobs j JOIN projects p ON p.id = j.project_id
            WHERE finished_at IS NULL AND (
                (stop_reason IS NULL AND (deadline_at <= now() OR p.deleted_at IS NOT NULL))
                OR (stop_reason IS NOT NULL AND EXISTS (
                    SELECT 1 FROM job_items i WHERE i.job_id = j.id AND i.state IN ('ready', 'waiting'))))
            LIMIT :limit
        """),
        {"limit": LIMIT},
    ).all()
    pending: list[Pending] = []
    for row in rows:
        try:
            pending += stops.stop(connection, row.workspace_id, row.id, row.reason)
        except JobNotOpen:
            continue
    return len(rows), pending
