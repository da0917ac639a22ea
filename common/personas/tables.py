"""Personas: the seat they hold, what the model added, and how good it is; and the panels they make up."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId
from common.llm.port import EMBEDDING_DIMENSIONS


class Persona(Base):
    """One persona. Its id is its job item's, so that it can exist only once.

    `demographics` come from the seat, `profile` from the model, `traits` are Big Five scores (0-100)
    drawn from the seed, `quality` has the parts of `quality_score` (0-100).
    """

    __tablename__ = "personas"
    __table_args__ = (
        Index(None, "workspace_id", "project_id", "job_id", "position"),
        Index(None, "job_id", "position"),
        Index("ix_personas_demographics", "demographics", postgresql_using="gin"),
        Index(
            "ix_personas_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
            postgresql_where=text("embedding IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    headline: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    demographics: Mapped[dict[str, Any]]
    profile: Mapped[dict[str, Any]]
    traits: Mapped[dict[str, Any]]
    quality: Mapped[dict[str, Any]]
    quality_score: Mapped[float]
    duplicate_of: Mapped[UUID | None]
    embedding: Mapped[list[float] | None] = mapped_column(Vector(EMBEDDING_DIMENSIONS))
    model: Mapped[str] = mapped_column(Text)
    prompt_hash: Mapped[str] = mapped_column(Text)
    simulated: Mapped[bool]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Panel(Base):
    """What a job of personas is for: the audience (an `AudienceSpec` as JSON) its seats are drawn from, and what
    the review found (a `PanelReview`) when the job's version was `review_version`."""

    __tablename__ = "panels"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    audience: Mapped[dict[str, Any]]
    review: Mapped[dict[str, Any] | None]
    review_version: Mapped[int] = mapped_column(server_default="0")
    reviewed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
