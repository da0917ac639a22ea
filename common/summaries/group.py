"""Reads what a summary is made from: the group, its members, its questions and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.focus_groups.errors import FocusGroupNotFound
from common.summaries.portions import Size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy import Connection

Place = tuple[int, int]
"""The positions of an answer's persona and question."""


@dataclass(frozen=True, slots=True)
class Member:
    """A persona in its seat; `demographics` maps dimension to label."""

    persona_id: UUID
    name: str
    demographics: dict[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """A focus group. Members and questions are in the order of their positions, which count from 0."""

    id: UUID
    project_id: UUID
    job_id: UUID
    name: str
    mode: str
    language: str
    briefing: str
    questions: list[str]
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Given:
    """The structured part of an answer. `persona` and `question` are positions."""

    id: UUID
    persona: int
    question: int
    stance: str
    sentiment: float
    themes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer(Given):
    """An answer with its text."""

    text: str


def load(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> Group:
    """The group without its answers. Raises `FocusGroupNotFound`."""
    where = {"group": focus_group_id, "workspace": workspace_id}
    group = connection.execute(
        text("""
            SELECT id, project_id, job_id, name, mode, language, briefing FROM focus_groups
            WHERE id = :group AND workspace_id = :workspace
        """),
        where,
    ).one_or_none()
    if group is None:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id}")
    questions = connection.execute(
        text(
            "SELECT text FROM questions WHERE focus_group_id = :group AND workspace_id = :workspace ORDER BY position"
        ),
        where,
    )
    members = connection.execute(
        text("""
            SELECT p.id, p.name, p.demographics FROM focus_group_members m JOIN personas p ON p.id = m.persona_id
            WHERE m.focus_group_id = :group AND m.workspace_id = :workspace ORDER BY m.position
        """),
        where,
    )
    return Group(
        id=group.id,
        project_id=group.project_id,
        job_id=group.job_id,
        name=group.name,
        mode=group.mode,
        language=group.language,
        briefing=group.briefing,
        questions=[row.text for row in questions],
        members=[Member(row.id, row.name, {k: str(v) for k, v in row.demographics.items()}) for row in members],
    )


_ANSWERS = """
    SELECT {columns} FROM answers a
    JOIN focus_group_members m ON m.focus_group_id = a.focus_group_id AND m.persona_id = a.persona_id
    WHERE a.focus_group_id = :group AND a.workspace_id = :workspace {which}
    ORDER BY m.position, a.question_position
"""
_GIVEN = "a.id, m.position AS persona, a.question_position AS question, a.stance, a.sentiment, a.themes"


def sizes(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> list[Size]:
    """The size of every answer, in the order of personas and their questions."""
    columns = "m.position, a.question_position, octet_length(a.text)"
    rows = connection.execute(
        text(_ANSWERS.format(columns=columns, which="")), {"group": focus_group_id, "workspace": workspace_id}
    )
    return [Size(*row) for row in rows]


def given(connection: Connection, workspace_id: UUID, focus_group_id: UUID) -> list[Given]:
    """Every answer of the group without its text, in order."""
    rows = connection.execute(
        text(_ANSWERS.format(columns=_GIVEN, which="")), {"group": focus_group_id, "workspace": workspace_id}
    )
    return [Given(**_structured(row)) for row in rows]


def between(
    connection: Connection, workspace_id: UUID, focus_group_id: UUID, first: Place, stop: Place | None
) -> list[Answer]:
    """The answers from one place up to another, which is not included (None: to the last), in order."""
    # The bounds on members alone say nothing more, but an index knows them.
    which = "AND m.position >= :persona AND (m.position, a.question_position) >= (:persona, :question)"
    where = {"group": focus_group_id, "workspace": workspace_id, "persona": first[0], "question": first[1]}
    if stop is not None:
        which += " AND m.position <= :stop_persona"
        which += " AND (m.position, a.question_position) < (:stop_persona, :stop_question)"
        where |= {"stop_persona": stop[0], "stop_question": stop[1]}
    rows = connection.execute(text(_ANSWERS.format(columns=f"{_GIVEN}, a.text", which=which)), where)
    return [Answer(**_structured(row), text=row.text) for row in rows]


def among(connection: Connection, workspace_id: UUID, focus_group_id: UUID, ids: Iterable[UUID]) -> list[Answer]:
    """Those of the answers with these ids that are of the group, in order."""
    rows = connection.execute(
        text(_ANSWERS.format(columns=f"{_GIVEN}, a.text", which="AND a.id = ANY(CAST(:ids AS uuid[]))")),
        {"group": focus_group_id, "workspace": workspace_id, "ids": [str(id_) for id_ in ids]},
    )
    return [Answer(**_structured(row), text=row.text) for row in rows]


def _structured(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "persona": row.persona,
        "question": row.question,
        "stance": row.stance,
        "sentiment": float(row.sentiment),
        "themes": tuple(str(theme) for theme in row.themes),
    }
