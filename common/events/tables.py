"""The outbox, the events already seen, and the messages nobody could handle."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id, WorkspaceId


class OutboxRow(Base):
    """An event that must be published. It is written in the transaction of its cause and deleted once
    the bus has it; one that stays is published again by the sweeper."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "created_at"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    topic: Mapped[str] = mapped_column(Text)
    ordering_key: Mapped[str] = mapped_column(Text, server_default="")
    event: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class EventSeen(Base):
    """An event whose effect has no natural key of its own, so that a repeat is recognised."""

    __tablename__ = "events_seen"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    workspace_id: Mapped[WorkspaceId]
    seen_at: Mapped[CreatedAt]


class DeadLetter(Base):
    """A message that could not be handled, with its cause, kept until someone replays it."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index(None, "workspace_id", "created_at"),)

    id: Mapped[Id]
    workspace_id: Mapped[WorkspaceId]
    subscription: Mapped[str] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    attributes: Mapped[dict[str, Any]]
    attempts: Mapped[int]
    cause_code: Mapped[str] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    replayed_at: Mapped[datetime | None]
