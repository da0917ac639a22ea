"""Reads jobs: their state, what happened to them, and lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.jobs.errors import JobNotFound
from common.jobs.models import Counts, JobEventView, JobView, Reason, Spend
from common.jobs.stops import REASONS

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection


def version(connection: Connection, workspace_id: UUID, job_id: UUID) -> int:
    """The job's version, the cheapest way to see whether anything changed. Raises `JobNotFound`."""
    return int(_column(connection, workspace_id, job_id, "version"))


def kind_of(connection: Connection, workspace_id: UUID, job_id: UUID) -> str:
    """What kind of job this is. Raises `JobNotFound`."""
    return str(_column(connection, workspace_id, job_id, "kind"))


def project_of(connection: Connection, workspace_id: UUID, job_id: UUID) -> UUID:
    """The project the job is of. Raises `JobNotFound`."""
    project_id: UUID = _column(connection, workspace_id, job_id, "project_id")
    return project_id


def get(connection: Connection, workspace_id: UUID, job_id: UUID) -> JobView:
    """One job with the reasons of what failed or was skipped. Raises `JobNotFound`."""
    row = connection.execute(
        text("SELECT * FROM jobs WHERE id = :job AND workspace_id = :workspace"),
        {"job": job_id, "workspace": workspace_id},
    ).one_or_none()
    if row is None:
        raise JobNotFound(f"there is no job {job_id}")
    return _view(row, _reasons(connection, workspace_id, job_id) if row.failed or row.skipped else [])


def list_jobs(
    connection: Connection, workspace_id: UUID, *, project_id: UUID | None, limit: int, before: UUID | None
) -> list[JobView]:
    """Jobs of the workspace, newest first, without their reasons; `before` is the last id of the page before."""
    rows = connection.execute(
        text("""
            SELECT * FROM jobs
            WHERE workspace_id = :workspace AND (CAST(:project AS uuid) IS NULL OR project_id = :project)
              AND (CAST(:before AS uuid) IS NULL OR id < :before)
            ORDER BY id DESC LIMIT :limit
        """),
        {"workspace": workspace_id, "project": project_id, "before": before, "limit": limit},
    )
    return [_view(row, []) for row in rows]


def events_since(
    connection: Connection, workspace_id: UUID, job_id: UUID, *, after: int, limit: int
) -> list[JobEventView]:
    """What happened to a job after the event of sequence `after`, oldest first."""
    rows = connection.execute(
        text("""
            SELECT sequence, type, payload, created_at FROM job_events
            WHERE job_id = :job AND workspace_id = :workspace AND sequence > :after ORDER BY sequence LIMIT :limit
        """),
        {"job": job_id, "workspace": workspace_id, "after": after, "limit": limit},
    )
    return [JobEventView.model_validate(row._asdict()) for row in rows]


def _column(connection: Connection, workspace_id: UUID, job_id: UUID, name: str) -> Any:
    found = connection.execute(
        text(f"SELECT {name} FROM jobs WHERE id = :job AND workspace_id = :workspace"),
        {"job": job_id, "workspace": workspace_id},
    ).scalar_one_or_none()
    if found is None:
        raise JobNotFound(f"there is no job {job_id}")
    return found


def _reasons(connection: Connection, workspace_id: UUID, job_id: UUID) -> list[Reason]:
    """Why items failed or were skipped, most first; those that were never laid out as the rest of what the stop
    skipped."""
    rows = connection.execute(
        text("""
            WITH found AS (
                SELECT reason_code AS code, min(reason) AS detail, count(*) AS items FROM job_items
                WHERE job_id = :job AND workspace_id = :workspace AND state IN ('failed', 'skipped')
                GROUP BY reason_code
            ), stopped AS (
                SELECT payload ->> 'reason' AS code, payload ->> 'detail' AS detail FROM job_events
                WHERE job_id = :job AND workspace_id = :workspace AND type = 'stopped'
                ORDER BY payload ->> 'detail' IS NULL, sequence DESC LIMIT 1
            ), never_laid_out AS (
                SELECT stopped.code, stopped.detail,
                    failed + skipped - (SELECT coalesce(sum(items), 0) FROM found) AS items
                FROM jobs, stopped WHERE id = :job AND workspace_id = :workspace
            )
            SELECT code, max(detail) AS detail, CAST(sum(items) AS int) AS items
            FROM (SELECT * FROM found UNION ALL SELECT * FROM never_laid_out WHERE items > 0) reasons
            GROUP BY code ORDER BY sum(items) DESC, code
        """),
        {"job": job_id, "workspace": workspace_id},
    )
    return [Reason(code=row.code, detail=_detail(row), items=row.items) for row in rows]


def _detail(row: Any) -> str:
    return str(REASONS[row.code] if row.detail is None else row.detail)


def _view(row: Any, reasons: list[Reason]) -> JobView:
    return JobView(
        id=row.id,
        project_id=row.project_id,
        kind=row.kind,
        state=row.state,
        version=row.version,
        subject_id=row.subject_id,
        seed=row.seed,
        simulated=row.simulated,
        items=Counts(total=row.total, done=row.done, failed=row.failed, skipped=row.skipped),
        spend=Spend(
            spent_micros=row.spent_micros, reserved_micros=row.reserved_micros, budget_micros=row.budget_micros
        ),
        stop_reason=row.stop_reason,
        reasons=reasons,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        deadline_at=row.deadline_at,
    )
