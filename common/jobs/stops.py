"""Stops a job before its end: cancelled by someone, out of money, out of time, or unable to go on.

What is under way may still be recorded; nothing new begins. The job ends when the last item under way does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.events.outbox import Pending
from common.jobs.errors import JobNotFound, JobNotOpen
from common.jobs.outcomes import FINISHED_EVENTS, TERMINAL_STATE, finished_parameters
from common.text import storable

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.jobs.models import StopReason

REASONS = {
    "cancelled": "the job was cancelled",
    "budget": "the job reached its budget",
    "deadline": "the job reached its deadline",
    "error": "the job could not go on",
}

_STOP = text(f"""
WITH locked AS (
    SELECT * FROM jobs WHERE id = :job AND workspace_id = :workspace AND state = 'running' FOR UPDATE
), skipped AS (
    UPDATE job_items i
    SET state = 'skipped', reason_code = coalesce(locked.stop_reason, :code), updated_at = now(), finished_at = now(),
        reason = CASE WHEN locked.stop_reason <> :code THEN CAST(:reasons AS jsonb) ->> locked.stop_reason
                      ELSE :reason END
    FROM locked WHERE i.job_id = locked.id AND i.state IN ('ready', 'waiting')
    RETURNING i.id
), count AS (
    SELECT locked.skipped + locked.total - locked.expanded + (SELECT count(*) FROM skipped) AS skipped FROM locked
), job AS (
    UPDATE jobs j
    SET stop_reason = coalesce(j.stop_reason, :code), skipped = count.skipped, expanded = j.total,
        version = j.version + 1,
        state = {
    TERMINAL_STATE.format(done="j.done", failed="j.failed", skipped="count.skipped").replace(
        "j.stop_reason", "coalesce(j.stop_reason, :code)"
    )
},
        finished_at = CASE WHEN j.done + j.failed + count.skipped >= j.total THEN now() END
    FROM count WHERE j.id = :job
    RETURNING j.id, j.workspace_id, j.version, j.state, j.kind, j.total, j.done, j.failed, j.skipped, j.traceparent,
              j.stop_reason
), event AS (
    INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
    SELECT id, version, workspace_id, 'stopped', jsonb_strip_nulls(jsonb_build_object(
        'reason', stop_reason, 'state', state, 'detail', CAST(:detail AS text))) FROM job
), sent AS (
    INSERT INTO outbox (id, workspace_id, topic, event)
    SELECT gen_random_uuid(), :workspace, f.topic, f.event FROM ({FINISHED_EVENTS}) f
    RETURNING id, topic, event
)
SELECT job.id AS job_id, sent.id, sent.topic, sent.event FROM job LEFT JOIN sent ON true
""")


def stop(
    connection: Connection, workspace_id: UUID, job_id: UUID, reason: StopReason, *, detail: str | None = None
) -> list[Pending]:
    """Stops a running job and returns the events to publish. Stopping it again changes nothing but finds
    what became ready in between. `detail` says more than the reason does, and is kept with what it skips.
    Raises `JobNotFound`, or `JobNotOpen` when the job has ended."""
    detail = storable(detail)
    rows = connection.execute(
        _STOP,
        {
            "workspace": workspace_id,
            "job": job_id,
            "code": reason,
            "reason": detail or REASONS[reason],
            "reasons": json.dumps(REASONS),
            "detail": detail,
            **finished_parameters(workspace_id, job_id),
        },
    ).all()
    if not rows:
        state = connection.execute(
            text("SELECT state FROM jobs WHERE id = :job AND workspace_id = :workspace"),
            {"job": job_id, "workspace": workspace_id},
        ).scalar_one_or_none()
        if state is None:
            raise JobNotFound(f"there is no job {job_id}")
        raise JobNotOpen(f"the job has already ended: it is {state}")
    return [Pending(row.id, row.topic, row.event) for row in rows if row.id is not None]
