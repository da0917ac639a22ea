"""Reads focus groups: lists, questions, members and progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.focus_groups.errors import FocusGroupNotFound
from common.focus_groups.views import GroupView, MemberView, QuestionView
from common.jobs.models import Counts

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

_GROUPS = """
SELECT g.id, g.project_id, g.job_id, g.name, g.mode, g.language, g.briefing, g.created_at, j.state, j.total,
       j.done, j.failed, j.skipped, j.rounds AS questions, j.total / j.rounds AS members, j.seed, j.simulated,
       j.finished_at
FROM focus_groups g JOIN jobs j ON j.id = g.job_id
WHERE g.workspace_id = :workspace
"""


def get(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> GroupView:
    """One focus group with its progress. Raises `FocusGroupNotFound`."""
    row = connection.execute(
        text(f"{_GROUPS} AND g.id = :group"), {"group": focus_group_id, "workspace": workspace_id}
    ).one_or_none()
    if row is None:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id}")
    return _view(row)


def list_groups(
    connection: Connection, workspace_id: UUID, *, project_id: UUID | None, limit: int, before: UUID | None
) -> list[GroupView]:
    """Focus groups of the workspace, newest first; `before` is the last id of the page before."""
    rows = connection.execute(
        text(f"""
            {_GROUPS} AND (CAST(:project AS uuid) IS NULL OR g.project_id = :project)
              AND (CAST(:before AS uuid) IS NULL OR g.id < :before)
            ORDER BY g.id DESC LIMIT :limit
        """),
        {"workspace": workspace_id, "project": project_id, "before": before, "limit": limit},
    )
    return [_view(row) for row in rows]


def questions(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> list[QuestionView]:
    """The questions in order, each with how many answers there are, failed, were skipped or are to come.

    Raises `FocusGroupNotFound`.
    """
    rows = connection.execute(
        text("""
            SELECT q.id, q.position, q.text, j.total / j.rounds AS members, j.finished_at IS NOT NULL AS ended,
                   i.answered, i.failed, i.skipped
            FROM focus_groups g JOIN jobs j ON j.id = g.job_id JOIN questions q ON q.focus_group_id = g.id
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE state = 'done') AS answered,
                       count(*) FILTER (WHERE state = 'failed') AS failed,
                       count(*) FILTER (WHERE state = 'skipped') AS skipped
                FROM job_items WHERE job_id = g.job_id AND round = q.position
            ) i
            WHERE g.id = :group AND g.workspace_id = :workspace ORDER BY q.position
        """),
        {"group": focus_group_id, "workspace": workspace_id},
    ).all()
    if not rows:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id}")
    return [_question(row) for row in rows]


def members(
    connection: Connection, workspace_id: UUID, focus_group_id: UUID, *, limit: int, after: int | None = None
) -> list[MemberView]:
    """The members in order; `after` is the last position of the page before. Empty where there is no group."""
    rows = connection.execute(
        text("""
            SELECT m.position, m.persona_id, p.name, p.headline, p.demographics
            FROM focus_group_members m JOIN personas p ON p.id = m.persona_id
            WHERE m.focus_group_id = :group AND m.workspace_id = :workspace AND m.position > :after
            ORDER BY m.position LIMIT :limit
        """),
        {"group": focus_group_id, "workspace": workspace_id, "after": -1 if after is None else after, "limit": limit},
    )
    return [MemberView.model_validate(row._asdict()) for row in rows]


def _view(row: Any) -> GroupView:
    return GroupView(
        id=row.id,
        project_id=row.project_id,
        job_id=row.job_id,
        name=row.name,
        mode=row.mode,
        language=row.language,
        briefing=row.briefing,
        members=row.members,
        questions=row.questions,
        state=row.state,
        items=Counts(total=row.total, done=row.done, failed=row.failed, skipped=row.skipped),
        seed=row.seed,
        simulated=row.simulated,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _question(row: Any) -> QuestionView:
    open_or_never_laid_out = row.members - row.answered - row.failed - row.skipped
    return QuestionView(
        id=row.id,
        position=row.position,
        text=row.text,
        answered=row.answered,
        failed=row.failed,
        skipped=row.skipped + (open_or_never_laid_out if row.ended else 0),
        pending=0 if row.ended else open_or_never_laid_out,
    )
