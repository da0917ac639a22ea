"""Reads what was said: the transcript in order, and answers by what they are about and who gave them.

Pages are cut by where an entry stands in the whole order, which never changes: an answer that arrives
while someone reads moves no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.focus_groups.errors import FocusGroupNotFound
from common.focus_groups.views import AnswerPage, AnswerView, Entry, EntryState, Gap, Order, Transcript
from common.jobs.stops import REASONS

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.focus_groups.models import Stance

_STATES: dict[str | None, EntryState] = {"done": "answered", "failed": "failed", "skipped": "skipped"}

_CURSORS: dict[Order, str] = {
    "persona": "m.position * j.rounds + q.position",
    "question": "q.position * (j.total / j.rounds) + m.position",
}

_PAGE = """
WITH places AS (
    SELECT {cursor} AS cursor, j.id AS job_id, j.stop_reason, j.finished_at IS NOT NULL AS ended,
           m.position * j.rounds + q.position AS item_position, count(*) OVER () AS matching,
           m.position AS persona_position, m.persona_id, q.position AS question_position, q.id AS question_id
    FROM focus_groups g JOIN jobs j ON j.id = g.job_id
    JOIN focus_group_members m ON m.focus_group_id = g.id
    JOIN questions q ON q.focus_group_id = g.id
    WHERE g.id = :group AND g.workspace_id = :workspace
      AND (CAST(:persona AS uuid) IS NULL OR m.persona_id = :persona)
      AND (CAST(:question AS int) IS NULL OR q.position = :question)
), page AS (
    SELECT * FROM places WHERE cursor > :after ORDER BY cursor LIMIT :limit
)
SELECT page.*, p.name AS persona_name, i.state, i.reason_code, i.reason, a.id AS answer_id, a.text, a.stance,
       a.sentiment, a.themes, a.confidence, a.heard, a.model, a.prompt_hash, a.simulated, a.created_at
FROM page JOIN personas p ON p.id = page.persona_id
LEFT JOIN job_items i ON i.job_id = page.job_id AND i.position = page.item_position
LEFT JOIN answers a ON a.id = i.id
ORDER BY page.cursor
"""


def transcript(
    connection: Connection,
    workspace_id: UUID,
    focus_group_id: UUID,
    *,
    order: Order,
    limit: int,
    after: int | None = None,
    persona_id: UUID | None = None,
    question_position: int | None = None,
) -> Transcript:
    """A page of the transcript, of all or of one persona or question; `after` is the cursor `next` of the
    page before, and past the end `total` is 0. Raises `FocusGroupNotFound`."""
    rows = connection.execute(
        text(_PAGE.format(cursor=_CURSORS[order])),
        {
            "group": focus_group_id,
            "workspace": workspace_id,
            "persona": persona_id,
            "question": question_position,
            "after": -1 if after is None else after,
            "limit": limit + 1,
        },
    ).all()
    if not rows:
        _check_group(connection, workspace_id, focus_group_id)
        return Transcript(entries=[], total=0, next=None)
    shown = rows[:limit]
    return Transcript(
        entries=[_entry(row) for row in shown],
        total=rows[0].matching,
        next=shown[-1].cursor if len(rows) > limit else None,
    )


_MATCHING = """
FROM answers a JOIN focus_groups g ON g.id = a.focus_group_id JOIN jobs j ON j.id = g.job_id
JOIN questions q ON q.id = a.question_id
JOIN focus_group_members m ON m.focus_group_id = a.focus_group_id AND m.persona_id = a.persona_id
JOIN personas p ON p.id = a.persona_id
WHERE a.focus_group_id = :group AND a.workspace_id = :workspace
  AND (CAST(:question AS int) IS NULL OR a.question_position = :question)
  AND (CAST(:persona AS uuid) IS NULL OR a.persona_id = :persona)
  AND (CAST(:stance AS text) IS NULL OR a.stance = :stance)
  AND (CAST(:dimension AS text) IS NULL OR p.demographics ->> :dimension = :label)
"""


def answers(
    connection: Connection,
    workspace_id: UUID,
    focus_group_id: UUID,
    *,
    limit: int,
    after: int | None = None,
    question_position: int | None = None,
    persona_id: UUID | None = None,
    segment: tuple[str, str] | None = None,
    stance: Stance | None = None,
) -> AnswerPage:
    """A page of the answers that match all filters, question by question; `segment` is a dimension and its
    label. `after` is the cursor `next` of the page before. Raises `FocusGroupNotFound`."""
    filters = {
        "group": focus_group_id,
        "workspace": workspace_id,
        "question": question_position,
        "persona": persona_id,
        "stance": stance,
        "dimension": segment and segment[0],
        "label": segment and segment[1],
    }
    total = connection.execute(text(f"SELECT count(*) {_MATCHING}"), filters).scalar_one()
    if total == 0:
        _check_group(connection, workspace_id, focus_group_id)
        return AnswerPage(answers=[], total=0, next=None)
    cursor = _CURSORS["question"]
    rows = connection.execute(
        text(f"""
            SELECT {cursor} AS cursor, a.*, a.id AS answer_id, p.name AS persona_name, m.position AS persona_position
            {_MATCHING} AND {cursor} > :after ORDER BY 1 LIMIT :limit
        """),
        filters | {"after": -1 if after is None else after, "limit": limit + 1},
    ).all()
    shown = rows[:limit]
    return AnswerPage(
        answers=[_answer(row) for row in shown],
        total=total,
        next=shown[-1].cursor if len(rows) > limit else None,
    )


def _check_group(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> None:
    found = connection.execute(
        text("SELECT 1 FROM focus_groups WHERE id = :group AND workspace_id = :workspace"),
        {"group": focus_group_id, "workspace": workspace_id},
    ).first()
    if found is None:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id}")


def _entry(row: Any) -> Entry:
    never_laid_out = row.state is None and row.ended
    state = "skipped" if never_laid_out else _STATES.get(row.state, "pending")
    gap = None
    if never_laid_out:
        gap = Gap(code=row.stop_reason, detail=REASONS[row.stop_reason])
    elif state in ("failed", "skipped"):
        gap = Gap(code=row.reason_code, detail=row.reason)
    return Entry(
        question_id=row.question_id,
        question_position=row.question_position,
        persona_id=row.persona_id,
        persona_position=row.persona_position,
        persona_name=row.persona_name,
        state=state,
        answer=_answer(row) if state == "answered" else None,
        gap=gap,
    )


def _answer(row: Any) -> AnswerView:
    return AnswerView(
        id=row.answer_id,
        question_id=row.question_id,
        question_position=row.question_position,
        persona_id=row.persona_id,
        persona_position=row.persona_position,
        persona_name=row.persona_name,
        text=row.text,
        stance=row.stance,
        sentiment=row.sentiment,
        themes=row.themes,
        confidence=row.confidence,
        heard=row.heard,
        model=row.model,
        prompt_hash=row.prompt_hash,
        simulated=row.simulated,
        created_at=row.created_at,
    )
