"""What people are to be told. Like releases it is of the installation, not of a workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id


class Notification(Base):
    """Something to tell people on one channel (`slack`, `email`, or `log` where neither is set).

    All messages of a `thread` are one message there, updated as it goes on: `external_id` is its handle, which only
    the channel reads. `version` grows with what there is to tell and `sent_version` follows. Whoever sends holds the
    `lease` until `lease_until`; nobody tries before `due_at`, and `attempts` counts those since the last success.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("channel", "thread"),
        Index("ix_notifications_unsent", "due_at", postgresql_where=text("sent_version < version")),
    )

    id: Mapped[Id]
    channel: Mapped[str] = mapped_column(Text)
    thread: Mapped[str] = mapped_column(Text)
    message: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(server_default="1")
    sent_version: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    external_id: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text, server_default="")
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    due_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]
