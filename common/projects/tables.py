"""Workspaces, which own every row, and the projects in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class Workspace(Base):
    """A tenant. Until accounts exist there is one, made by the first migration."""

    __tablename__ = "workspaces"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]


class Project(Base):
    """A body of research: its audiences, panels and focus groups."""

    __tablename__ = "projects"
    __table_args__ = (Index(None, "workspace_id", "created_at"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
