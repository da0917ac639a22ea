"""Audiences as they were described, kept so that a panel can be drawn again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class AudienceRow(Base):
    """One audience; `spec` is an `AudienceSpec` as JSON."""

    __tablename__ = "audiences"
    __table_args__ = (Index(None, "workspace_id", "project_id", "created_at"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
