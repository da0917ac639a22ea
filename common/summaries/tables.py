"""Summaries of focus groups, and the partial readings large ones are made from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class SummaryPart(Base):
    """The reading of one portion of a group's answers (the map step). Its id is its job item's."""

    __tablename__ = "summary_parts"

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    position: Mapped[int]
    content: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class Summary(Base):
    """The analysis of a group. `report` holds insights that each name the answers they rest on."""

    __tablename__ = "summaries"
    __table_args__ = (UniqueConstraint("focus_group_id", "job_id"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    focus_group_id: Mapped[UUID] = mapped_column(ForeignKey("focus_groups.id", ondelete="CASCADE"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    report: Mapped[dict[str, Any]]
    model: Mapped[str] = mapped_column(Text)
    prompt_hash: Mapped[str] = mapped_column(Text)
    simulated: Mapped[bool]
    created_at: Mapped[CreatedAt]
