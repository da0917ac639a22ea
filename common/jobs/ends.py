"""Sees to it that the end of a job is heard: what follows on it begins only then."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.bus.topology import RESULTS
from common.database.engine import autocommit
from common.events import outbox, seen
from common.events.models import JobFinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from common.events.outbox import Pending

HEARD = "ends"
TOLD = "ends_told_again"
"""Consumers of `events_seen`. Their event is an end of a job: the workspace, the job and its version then."""

DAY_SECONDS = 86_400.0
"""How long an end is told again: what nobody took for a day is among the dead letters."""


@contextmanager
def hearing(engine: Engine, event: JobFinished) -> Iterator[None]:
    """Within it whatever follows on the end of the job is begun, or found not to be; when nothing was raised the end
    counts as heard, and is not told again.

    A job that runs again has no end to be heard of: the next one is another, also when it comes meanwhile.
    """
    with autocommit(engine) as connection:
        version = connection.execute(
            text("SELECT version FROM jobs WHERE id = :job AND workspace_id = :workspace AND finished_at IS NOT NULL"),
            {"job": event.job_id, "workspace": event.workspace_id},
        ).scalar_one_or_none()
    yield
    if version is not None:
        with autocommit(engine) as connection:
            seen.first_time(connection, event.workspace_id, HEARD, f"{event.job_id}:{version}")


_UNHEARD = text("""
    WITH unheard AS (
        SELECT *, concat_ws(':', workspace_id, id, version) AS ended FROM jobs j
        WHERE finished_at < now() - make_interval(secs => :age)
          AND finished_at > now() - make_interval(secs => :day)
          AND NOT EXISTS (
              SELECT 1 FROM events_seen s
              WHERE s.event_id = concat_ws(':', j.workspace_id, j.id, j.version)
                AND (s.consumer = :heard
                     OR s.consumer = :told AND s.seen_at > now() - make_interval(secs => :pause)))
          AND NOT EXISTS (
              SELECT 1 FROM outbox o WHERE o.topic = :topic AND o.event ->> 'job_id' = CAST(j.id AS text))
        LIMIT :limit
    ), told AS (
        INSERT INTO events_seen (consumer, event_id, workspace_id)
        SELECT :told, ended, workspace_id FROM unheard
        ON CONFLICT (consumer, event_id) DO UPDATE SET seen_at = now()
        WHERE events_seen.seen_at <= now() - make_interval(secs => :pause)
        RETURNING event_id
    )
    SELECT unheard.* FROM unheard JOIN told ON told.event_id = unheard.ended
""")


def tell_again(connection: Connection, older_than_seconds: float, pause_seconds: float, limit: int) -> list[Pending]:
    """Tells again of jobs, of all workspaces, that ended this long ago, whose end nobody heard and no event of
    which waits to be published; once in `pause_seconds` each, for a day."""
    rows = connection.execute(
        _UNHEARD,
        {
            "age": older_than_seconds,
            "day": DAY_SECONDS,
            "heard": HEARD,
            "told": TOLD,
            "topic": RESULTS,
            "pause": pause_seconds,
            "limit": limit,
        },
    ).all()
    pending: list[Pending] = []
    for row in rows:
        event = JobFinished(
            workspace_id=row.workspace_id,
            job_id=row.id,
            traceparent=row.traceparent,
            kind=row.kind,
            state=row.state,
            total=row.total,
            done=row.done,
            failed=row.failed,
            skipped=row.skipped,
        )
        pending += outbox.put(connection, row.workspace_id, [(RESULTS, event)])
    return pending
