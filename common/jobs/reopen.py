"""Opens an ended job again for what failed or was skipped; what is done stays done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from common.bus.topology import JOBS
from common.events import outbox
from common.events.models import JobAccepted
from common.jobs.errors import JobNotFound, NothingToRetry

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.events.models import Event
    from common.events.outbox import Pending

# An item of a chain waits for the one before it when that one runs again too; of the rounds, only the
# first that has something to do begins.
_REOPEN = text("""
WITH again AS (
    SELECT i.id, i.position, i.round FROM job_items i
    WHERE i.job_id = :job AND i.workspace_id = :workspace
      AND (i.state = 'failed' OR (:resume AND i.state = 'skipped'))
), rounds AS (
    SELECT r.round, (SELECT count(*) FROM again a WHERE a.round = r.round)
        + CASE WHEN :resume
               THEN r.size - (SELECT count(*) FROM job_items i WHERE i.job_id = r.job_id AND i.round = r.round)
               ELSE 0 END AS open
    FROM job_rounds r WHERE r.job_id = :job AND r.workspace_id = :workspace
), first AS (
    SELECT min(round) AS round FROM rounds WHERE open > 0
), changed AS (
    UPDATE job_items i
    SET attempts = 0, reason_code = NULL, reason = NULL, finished_at = NULL, updated_at = '-infinity',
        state = CASE
            WHEN :flow = 'chain' AND i.round > 0
                 AND EXISTS (SELECT 1 FROM again a WHERE a.position = i.position - 1) THEN 'waiting'
            WHEN :flow = 'rounds' AND i.round > first.round THEN 'waiting'
            ELSE 'ready' END
    FROM again, first WHERE i.id = again.id
    RETURNING i.id
), reopened_rounds AS (
    UPDATE job_rounds r SET open = rounds.open
    FROM rounds WHERE r.job_id = :job AND r.round = rounds.round
), count AS (
    SELECT count(*) AS items FROM changed
), job AS (
    UPDATE jobs j
    SET state = 'running', stop_reason = NULL, finished_at = NULL, version = j.version + 1,
        failed = 0, skipped = CASE WHEN :resume THEN 0 ELSE j.skipped END,
        expanded = CASE WHEN :resume THEN j.total - :missing ELSE j.expanded END,
        budget_micros = coalesce(:budget, j.budget_micros),
        deadline_at = now() + make_interval(secs => :span)
    WHERE j.id = :job AND j.workspace_id = :workspace
    RETURNING j.version
)
INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
SELECT :job, job.version, :workspace, 'reopened', jsonb_build_object('items', count.items) FROM job, count
""")


def reopen(
    connection: Connection,
    workspace_id: UUID,
    job_id: UUID,
    *,
    resume: bool,
    budget_micros: int | None = None,
) -> list[Pending]:
    """Runs the failed items of an ended job again, and with `resume` those that were skipped too. It has as long
    for that as it was given when it was accepted.

    Returns the events to publish after the caller's commit. Raises `JobNotFound`, or `NothingToRetry`
    when the job is running or nothing of it is left to do.
    """
    job = connection.execute(
        text("""
            SELECT j.*, (SELECT count(*) FROM job_items i WHERE i.job_id = j.id) AS laid_out,
                CAST(extract(epoch FROM j.deadline_at - (
                    SELECT max(e.created_at) FROM job_events e
                    WHERE e.job_id = j.id AND e.type IN ('accepted', 'reopened'))) AS float8) AS span
            FROM jobs j WHERE j.id = :job AND j.workspace_id = :workspace FOR UPDATE
        """),
        {"job": job_id, "workspace": workspace_id},
    ).one_or_none()
    if job is None:
        raise JobNotFound(f"there is no job {job_id}")
    if job.state == "running":
        raise NothingToRetry("the job is still running")
    if job.failed == 0 and not (resume and job.skipped > 0):
        raise NothingToRetry("nothing of the job failed" + ("" if resume else "; resume it to run what was skipped"))
    connection.execute(
        _REOPEN,
        {
            "workspace": workspace_id,
            "job": job_id,
            "flow": job.flow,
            "resume": resume,
            "missing": job.total - job.laid_out,
            "budget": budget_micros,
            "span": job.span,
        },
    )
    accepted = JobAccepted(workspace_id=workspace_id, job_id=job_id, traceparent=job.traceparent)
    events: list[tuple[str, Event]] = [(JOBS, accepted)]
    return outbox.put(connection, workspace_id, events)
