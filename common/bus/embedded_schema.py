"""The embedded bus's table. The adapter makes it itself: it belongs to the bus, not to Sight's migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

LOCK = 0x5167_6875
"""The advisory lock under which the table is made."""

STATEMENTS = (
    "CREATE SCHEMA IF NOT EXISTS embedded_bus",
    """
    CREATE TABLE IF NOT EXISTS embedded_bus.deliveries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_id text NOT NULL,
        subscription text NOT NULL,
        data bytea NOT NULL,
        attributes text NOT NULL,
        ordering_key text NOT NULL,
        published_at timestamptz NOT NULL DEFAULT now(),
        visible_at timestamptz NOT NULL,
        attempt integer NOT NULL DEFAULT 0,
        owner text
    ) WITH (
        fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 10000
    )
    """,
    "CREATE INDEX IF NOT EXISTS ix_deliveries_visible_at ON embedded_bus.deliveries (visible_at)",
)
"""A row for each subscription that has yet to acknowledge a message; acknowledging deletes it, so the table
holds only what is under way and is vacuumed by count rather than by share. `visible_at` says when the
delivery may next be received: receiving moves it ahead by the ack deadline, so a lease that runs out needs
nobody to notice. `attempt` counts the times it was received and fences each of them. `attributes` is JSON
kept as text, since nothing here looks inside."""


def ensure_schema(engine: Engine) -> None:
    """Makes the table unless it is there, once however many processes try."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        for statement in STATEMENTS:
            connection.execute(text(statement))
