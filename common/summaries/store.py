"""Summaries and their parts in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.focus_groups.errors import FocusGroupNotFound
from common.summaries.models import Reading, Report, State, SummaryView

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Connection

ENDED = ("done", "failed", "skipped")
"""States in which an item stays."""

INSERT_PART = """
    INSERT INTO summary_parts (id, workspace_id, job_id, position, content)
    SELECT item.id, item.workspace_id, item.job_id, item.position, CAST(:e_content AS jsonb) FROM item
    ON CONFLICT DO NOTHING
"""
INSERT_SUMMARY = """
    INSERT INTO summaries (id, workspace_id, focus_group_id, job_id, report, model, prompt_hash, simulated)
    SELECT item.id, item.workspace_id, :e_group, item.job_id, CAST(:e_report AS jsonb), :e_model, :e_prompt_hash,
           :e_simulated FROM item
    ON CONFLICT DO NOTHING
"""


def readings(connection: Connection, workspace_id: UUID, job_id: UUID, positions: Iterable[int]) -> dict[int, Reading]:
    """The readings there are of these items of a job, by position."""
    rows = connection.execute(
        text("""
            SELECT position, content FROM summary_parts
            WHERE workspace_id = :workspace AND job_id = :job AND position = ANY(CAST(:positions AS int[]))
        """),
        {"workspace": workspace_id, "job": job_id, "positions": list(positions)},
    )
    return {row.position: Reading.model_validate(row.content) for row in rows}


def outcomes(connection: Connection, workspace_id: UUID, job_id: UUID, positions: Iterable[int]) -> dict[int, Any]:
    """State, reason code (`code`) and reason of these items of a job, by position."""
    rows = connection.execute(
        text("""
            SELECT position, state, reason_code AS code, reason FROM job_items
            WHERE workspace_id = :workspace AND job_id = :job AND position = ANY(CAST(:positions AS int[]))
        """),
        {"workspace": workspace_id, "job": job_id, "positions": list(positions)},
    )
    return {row.position: row for row in rows}


_VIEW = text("""
SELECT g.id, parent.state AS parent_state, j.id AS job_id, j.state,
       CASE WHEN j.state IN ('partial', 'failed', 'cancelled') THEN (
           SELECT reason FROM job_items i WHERE i.job_id = j.id AND i.state IN ('failed', 'skipped')
           ORDER BY i.state, i.position DESC LIMIT 1) END AS reason,
       s.report, s.job_id AS report_job_id, s.model, s.prompt_hash, s.simulated, s.created_at,
       EXISTS (SELECT 1 FROM answers a WHERE a.focus_group_id = g.id) AS answered
FROM focus_groups g
JOIN jobs parent ON parent.id = g.job_id
LEFT JOIN LATERAL (
    SELECT id, state FROM jobs
    WHERE workspace_id = g.workspace_id AND project_id = g.project_id AND kind = 'summary' AND subject_id = g.id
    ORDER BY id DESC LIMIT 1
) j ON true
LEFT JOIN LATERAL (
    SELECT * FROM summaries WHERE focus_group_id = g.id ORDER BY job_id DESC LIMIT 1
) s ON true
WHERE g.id = :group AND g.workspace_id = :workspace
""")


def get_summary(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> SummaryView:
    """The newest summary of a group and how the newest attempt at one stands. Raises `FocusGroupNotFound`."""
    row = connection.execute(_VIEW, {"group": focus_group_id, "workspace": workspace_id}).one_or_none()
    if row is None:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id}")
    state, reason = _state(row)
    return SummaryView(
        focus_group_id=focus_group_id,
        state=state,
        reason=reason,
        job_id=row.job_id,
        report=None if row.report is None else Report.model_validate(row.report),
        report_job_id=row.report_job_id,
        model=row.model,
        prompt_hash=row.prompt_hash,
        simulated=row.simulated,
        created_at=row.created_at,
    )


def _state(row: Any) -> tuple[State, str | None]:
    if row.parent_state == "running":
        return "waiting", "the focus group is not finished"
    if row.job_id is not None:
        return row.state, row.reason
    if row.parent_state == "cancelled":
        return "none", "the focus group was cancelled"
    if not row.answered:
        return "none", "the focus group has no answers"
    return "waiting", "the summary is about to begin"
