"""Jobs, the items they are made of, the rounds items wait for, and the log of what happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class Job(Base):
    """A piece of accepted work. Counts are of its items; `expanded` of `total` items exist as rows.

    `version` grows by one with every change, inside the lock of this row, so that it orders the job's
    events and serves as an ETag. Money is in millionths of a US dollar.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("workspace_id", "idempotency_key"),
        CheckConstraint("done + failed + skipped <= total", name="counts"),
        Index(None, "workspace_id", "project_id", "created_at"),
        Index("ix_jobs_open", "deadline_at", postgresql_where=text("finished_at IS NULL")),
        Index("ix_jobs_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(Text)
    flow: Mapped[str] = mapped_column(Text)
    rounds: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None]
    spec: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    request_hash: Mapped[str] = mapped_column(Text)
    total: Mapped[int]
    expanded: Mapped[int] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")
    budget_micros: Mapped[int | None] = mapped_column(BigInteger)
    reserved_micros: Mapped[int] = mapped_column(BigInteger, server_default="0")
    spent_micros: Mapped[int] = mapped_column(BigInteger, server_default="0")
    deadline_at: Mapped[datetime]
    stop_reason: Mapped[str | None] = mapped_column(Text)
    simulated: Mapped[bool]
    traceparent: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobItem(Base):
    """One unit of LLM work. `token` fences: only the holder of the newest lease may record a result. `claim_id` is
    what that holder called its claim, so that it knows its lease when it asks again."""

    __tablename__ = "job_items"
    __table_args__ = (
        UniqueConstraint("job_id", "position"),
        Index(None, "job_id", "round"),
        Index("ix_job_items_leased", "lease_until", postgresql_where=text("state = 'leased'")),
        Index("ix_job_items_ready", "updated_at", postgresql_where=text("state = 'ready'")),
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    position: Mapped[int]
    round: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    persona_id: Mapped[UUID | None]
    question_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    attempts: Mapped[int] = mapped_column(server_default="0")
    token: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(Text)
    claim_id: Mapped[UUID | None]
    reserved_micros: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reason_code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class JobRound(Base):
    """How many items a round has, laid out yet or not, and how many of them are still open; the one that brings
    it to 0 opens the next round."""

    __tablename__ = "job_rounds"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    size: Mapped[int]
    open: Mapped[int]


class JobEvent(Base):
    """What happened to a job, in order and without gaps: `sequence` is the job's version after it."""

    __tablename__ = "job_events"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    type: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
