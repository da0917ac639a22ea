"""Focus groups: who sits in them, what they are asked, and what they answered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class FocusGroup(Base):
    """A focus group; its answers are made by the job `job_id`.

    `member_ids` are the personas in the order they sit. The view `focus_group_members` shows them as rows
    (`focus_group_id`, `position` from 0, `workspace_id`, `persona_id`): a thousand rows of their own would
    each have their foreign keys checked while someone waits for the request to be accepted.
    """

    __tablename__ = "focus_groups"
    __table_args__ = (Index(None, "workspace_id", "project_id", "created_at"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    name: Mapped[str] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    briefing: Mapped[str] = mapped_column(Text)
    member_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    created_at: Mapped[CreatedAt]


class Question(Base):
    """A question of a group; `position` counts from 0 and is the round it is asked in."""

    __tablename__ = "questions"
    __table_args__ = (UniqueConstraint("focus_group_id", "position"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    focus_group_id: Mapped[UUID] = mapped_column(ForeignKey("focus_groups.id", ondelete="CASCADE"))
    position: Mapped[int]
    text: Mapped[str] = mapped_column(Text)


class DiscussionRound(Base):
    """What was said in a round of a discussion, as all personas of the next round hear it.

    Written once, when the first of them is about to answer: an answer that comes after that (a failed one
    tried again) is part of the transcript but was not heard. `digest` counts all answers of the round,
    `quotes` holds those that may be quoted.
    """

    __tablename__ = "discussion_rounds"

    focus_group_id: Mapped[UUID] = mapped_column(ForeignKey("focus_groups.id", ondelete="CASCADE"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    digest: Mapped[dict[str, Any]]
    quotes: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]


class Answer(Base):
    """What one persona answered to one question. Its id is its job item's, so that it can exist only once.

    `sentiment` is in [-1, 1], `confidence` in [0, 1]; `heard` records what others' words the persona
    was given before it answered (discussion mode).
    """

    __tablename__ = "answers"
    __table_args__ = (
        UniqueConstraint("question_id", "persona_id"),
        Index(None, "focus_group_id", "persona_id", "question_position"),
    )

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    focus_group_id: Mapped[UUID] = mapped_column(ForeignKey("focus_groups.id", ondelete="CASCADE"))
    question_id: Mapped[UUID] = mapped_column(ForeignKey("questions.id"))
    question_position: Mapped[int]
    persona_id: Mapped[UUID] = mapped_column(ForeignKey("personas.id"))
    text: Mapped[str] = mapped_column(Text)
    stance: Mapped[str] = mapped_column(Text)
    sentiment: Mapped[float]
    themes: Mapped[list[Any]]
    confidence: Mapped[float]
    heard: Mapped[dict[str, Any] | None]
    model: Mapped[str] = mapped_column(Text)
    prompt_hash: Mapped[str] = mapped_column(Text)
    simulated: Mapped[bool]
    created_at: Mapped[CreatedAt]
