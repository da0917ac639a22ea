"""Recognises an event that was handled before, where its effect has no natural key of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection


def first_time(connection: Connection, workspace_id: UUID, consumer: str, event_id: str) -> bool:
    """Notes that `consumer` handles the event in the caller's transaction; False when it did so before.

    While another transaction handles the same event this waits for its end.
    """
    written = connection.execute(
        text("""
            INSERT INTO events_seen (consumer, event_id, workspace_id) VALUES (:consumer, :event, :workspace)
            ON CONFLICT DO NOTHING
        """),
        {"consumer": consumer, "event": f"{workspace_id}:{event_id}", "workspace": workspace_id},
    )
    return written.rowcount == 1
