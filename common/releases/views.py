"""Reads and pauses what automation does, for engineers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from common.errors import NotFound
from common.releases.store import add_line

if TYPE_CHECKING:
    from sqlalchemy import Connection


_RELEASE = "service, region, revision, state, percent, reason, created_at, promoted_at, finished_at, due_at"


class IncidentNotFound(NotFound):
    """No incident of this id was ever announced."""

    code = "incident_not_found"


def release(connection: Connection, release_id: UUID) -> dict[str, Any]:
    """A release that there is."""
    row = connection.execute(text(f"SELECT {_RELEASE} FROM releases WHERE id = :id"), {"id": release_id}).one()
    return _json(row)


def releases(connection: Connection, *, service: str | None, region: str | None, limit: int) -> list[dict[str, Any]]:
    """Releases, the latest first."""
    rows = connection.execute(
        text(f"""
            SELECT {_RELEASE} FROM releases
            WHERE (CAST(:service AS text) IS NULL OR service = :service)
              AND (CAST(:region AS text) IS NULL OR region = :region)
            ORDER BY created_at DESC, id LIMIT :limit
        """),
        {"service": service, "region": region, "limit": limit},
    )
    return [_json(row) for row in rows]


def timeline(connection: Connection, service: str, region: str, *, limit: int) -> list[dict[str, Any]]:
    """The latest lines of what happened to a service, oldest first."""
    rows = connection.execute(
        text("""
            SELECT * FROM (
                SELECT e.id, e.at, e.type, e.text, i.incident_id, r.revision
                FROM release_events e
                LEFT JOIN incidents i ON i.id = e.incident_id
                LEFT JOIN releases r ON r.id = e.release_id
                WHERE e.service = :service AND e.region = :region ORDER BY e.at DESC, e.id DESC LIMIT :limit
            ) latest ORDER BY at, id
        """),
        {"service": service, "region": region, "limit": limit},
    )
    return [{name: value for name, value in _json(row).items() if name != "id"} for row in rows]


def set_paused(connection: Connection, service: str, region: str, *, paused: bool, by: str, reason: str) -> None:
    """Pauses automation for a service, or lets it act again."""
    connection.execute(
        text("""
            INSERT INTO automations (service, region, paused, by, reason)
            VALUES (:service, :region, :paused, :by, :reason)
            ON CONFLICT (service, region) DO UPDATE
            SET paused = excluded.paused, by = excluded.by, reason = excluded.reason, at = now()
        """),
        {"service": service, "region": region, "paused": paused, "by": by, "reason": reason},
    )
    add_line(connection, service, region, "paused" if paused else "resumed", f"{by}: {reason}")


def notification(connection: Connection, incident_id: str) -> dict[str, Any]:
    """The notification that announced an incident, as it came. Raises `IncidentNotFound`."""
    found = connection.execute(
        text("SELECT notification FROM incidents WHERE incident_id = :id ORDER BY created_at LIMIT 1"),
        {"id": incident_id},
    ).scalar_one_or_none()
    if found is None:
        raise IncidentNotFound(f"no incident {incident_id} was ever announced")
    document: dict[str, Any] = found
    return document


def _json(row: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else str(value) if name == "id" else value
        for name, value in row._asdict().items()
    }
