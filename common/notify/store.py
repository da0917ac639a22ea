"""Which notifications are being sent, were sent or are overdue. The caller owns the commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from common.notify.models import Message

if TYPE_CHECKING:
    from sqlalchemy import Connection

LEASE_SECONDS = 120.0
"""Longer than any channel takes: until then nobody else sends."""


@dataclass(frozen=True, slots=True)
class Held:
    """A notification that this process alone sends until its lease ends. `attempts` counts this one."""

    id: UUID
    lease: UUID
    channel: str
    thread: str
    message: Message
    version: int
    attempts: int
    external_id: str | None


def hold(connection: Connection, notification_id: UUID) -> Held | None:
    """Takes the lease of a notification; None where there is nothing to tell, it is not due or somebody else has it."""
    row = connection.execute(_HOLD, {"id": notification_id, "lease": LEASE_SECONDS}).one_or_none()
    if row is None:
        return None
    return Held(
        id=notification_id,
        lease=row.lease,
        channel=row.channel,
        thread=row.thread,
        message=Message.from_json(row.message),
        version=row.version,
        attempts=row.attempts,
        external_id=row.external_id,
    )


def sent(connection: Connection, held: Held, external_id: str) -> bool | None:
    """Records that people were told, and returns whether there is more to tell by now; None where the lease was lost
    meanwhile, and whoever has it records."""
    found: bool | None = connection.execute(
        _SENT, {"id": held.id, "lease": held.lease, "version": held.version, "external_id": external_id}
    ).scalar_one_or_none()
    return found


def failed(connection: Connection, held: Held, error: str, wait_seconds: float, external_id: str | None = None) -> None:
    """Records why people were not told, and gives the lease back: the next attempt is due after `wait_seconds`. Where
    some were told, `external_id` is the handle of that."""
    connection.execute(
        _FAILED,
        {"id": held.id, "lease": held.lease, "error": error, "wait": wait_seconds, "external_id": external_id},
    )


def overdue(connection: Connection, seconds: float, limit: int) -> list[UUID]:
    """Notifications that nobody sends although they are due for so long, the longest first."""
    return [row.id for row in connection.execute(_OVERDUE, {"age": seconds, "limit": limit})]


_HOLD = text("""
UPDATE notifications
SET lease = gen_random_uuid(), lease_until = now() + make_interval(secs => :lease), attempts = attempts + 1
WHERE id = :id AND sent_version < version AND due_at <= now() AND (lease_until IS NULL OR lease_until <= now())
RETURNING lease, channel, thread, message, version, attempts, external_id
""")

_SENT = text("""
UPDATE notifications
SET sent_version = :version, external_id = :external_id, attempts = 0, error = '', lease = NULL, lease_until = NULL
WHERE id = :id AND lease = :lease
RETURNING sent_version < version
""")

_FAILED = text("""
UPDATE notifications
SET error = :error, external_id = coalesce(:external_id, external_id),
    due_at = now() + make_interval(secs => :wait), lease = NULL, lease_until = NULL
WHERE id = :id AND lease = :lease
""")

_OVERDUE = text("""
SELECT id FROM notifications
WHERE sent_version < version AND due_at < now() - make_interval(secs => :age)
  AND (lease_until IS NULL OR lease_until <= now())
ORDER BY due_at LIMIT :limit
""")
