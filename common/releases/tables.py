"""Releases, incidents and what was done about them. They are of the installation, not of a workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, CreatedAt, Id


class Release(Base):
    """A revision on its way to all the traffic, or away from it.

    `state` is `smoke`, `walking`, `promoted`, `failed`, `replaced` (by a newer one or by hand) or `waiting`
    (for a human). A revision is released once: `failed` is for ever. `step` counts the looks taken, so that a
    step that arrives twice is taken once; the next one is due at `due_at`.
    """

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("service", "region", "revision"),
        Index("ix_releases_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[Id]
    service: Mapped[str] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)
    revision: Mapped[str] = mapped_column(Text)
    previous: Mapped[str | None] = mapped_column(Text)
    tag: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    percent: Mapped[int] = mapped_column(server_default="0")
    step: Mapped[int] = mapped_column(server_default="0")
    holds: Mapped[int] = mapped_column(server_default="0")
    failed_checks: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str] = mapped_column(Text, server_default="")
    due_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    percent_at: Mapped[datetime | None]
    promoted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Incident(Base):
    """An incident of Cloud Monitoring and the one decision taken on it. `notification` is the first one's text as it
    came; the unreadable have an id made from their content."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("incident_id", "service", "region"),
        Index(None, "service", "region", "created_at"),
    )

    id: Mapped[Id]
    incident_id: Mapped[str] = mapped_column(Text)
    service: Mapped[str] = mapped_column(Text, server_default="")
    region: Mapped[str] = mapped_column(Text, server_default="")
    state: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    notification: Mapped[dict[str, Any]]
    action: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str | None] = mapped_column(Text)
    dry_run: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class TrafficChange(Base):
    """A change of traffic that Sight made or was about to. `state` is `asked`, `verified` or `failed`; `actor` is
    `rollback`, `rollout` or the name of an engineer."""

    __tablename__ = "traffic_changes"
    __table_args__ = (Index(None, "service", "region", "created_at"),)

    id: Mapped[Id]
    service: Mapped[str] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    release_id: Mapped[UUID | None] = mapped_column(ForeignKey("releases.id"))
    before: Mapped[list[Any]]
    after: Mapped[list[Any]]
    state: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]
    verified_at: Mapped[datetime | None]


class ReleaseEvent(Base):
    """One line of a service's timeline: every alert, decision, change and outcome, as `type` and as a sentence."""

    __tablename__ = "release_events"
    __table_args__ = (Index(None, "service", "region", "at"),)

    id: Mapped[Id]
    service: Mapped[str] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    release_id: Mapped[UUID | None] = mapped_column(ForeignKey("releases.id"))
    type: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]]
    at: Mapped[CreatedAt]


class Automation(Base):
    """Whether automation is paused for a service, by whom and why. No row: it is not."""

    __tablename__ = "automations"

    service: Mapped[str] = mapped_column(Text, primary_key=True)
    region: Mapped[str] = mapped_column(Text, primary_key=True)
    paused: Mapped[bool]
    by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[CreatedAt]
