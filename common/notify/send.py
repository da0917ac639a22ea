"""Sends notifications: at least once, one sender at a time, until there is nothing new to tell."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import text

from common.bus.port import BusUnavailable
from common.bus.port import Message as BusMessage
from common.bus.topology import NOTIFICATIONS
from common.database.engine import autocommit
from common.errors import Unavailable
from common.notify.events import NotificationRequested
from common.notify.models import Message
from common.notify.port import Channel, NotTold

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.bus.port import Bus

LEASE_SECONDS = 30.0
OVERDUE_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 300.0
LIMIT = 200

log = structlog.get_logger()


class NotYet(Unavailable):
    """Another sender is at it, or the channel asked to wait."""

    code = "not_yet"


_CLAIM = text("""
UPDATE notifications SET due_at = now() + make_interval(secs => :lease), attempts = attempts + 1
WHERE id = :id AND sent_version < version AND due_at <= now()
RETURNING channel, thread, message, version, external_id, attempts
""")

_SENT = text("""
UPDATE notifications
SET sent_version = greatest(sent_version, :version), external_id = :handle, error = '', due_at = now()
WHERE id = :id
""")

_FAILED = text("""
UPDATE notifications SET error = :error, due_at = now() + make_interval(secs => :wait) WHERE id = :id
""")


def send(engine: Engine, channels: Mapping[str, Channel], notification_id: UUID) -> None:
    """Tells people what a notification has to tell, if it has. Raises `NotTold` or `NotYet` when it has to be asked
    for again."""
    with autocommit(engine) as connection:
        row = connection.execute(_CLAIM, {"id": notification_id, "lease": LEASE_SECONDS}).one_or_none()
        if row is None:
            _check_told(connection.execute(_UNSENT, {"id": notification_id}).scalar_one_or_none())
            return
    channel = channels.get(row.channel)
    try:
        if channel is None:
            raise NotTold(f"the channel {row.channel} is not set up any more")
        handle = channel.deliver(Message.from_json(row.message), row.external_id)
    except NotTold as error:
        longest = min(LONGEST_BACKOFF_SECONDS, 2.0**row.attempts)
        wait = error.retry_after if error.retry_after is not None else random.uniform(longest / 2, longest)
        with autocommit(engine) as connection:
            connection.execute(_FAILED, {"id": notification_id, "error": error.detail, "wait": wait})
        log.warning("not_told", channel=row.channel, thread=row.thread, detail=error.detail, attempts=row.attempts)
        raise
    with autocommit(engine) as connection:
        connection.execute(_SENT, {"id": notification_id, "version": row.version, "handle": handle})


_UNSENT = text("SELECT sent_version < version FROM notifications WHERE id = :id")


def _check_told(unsent: bool | None) -> None:
    if unsent:
        raise NotYet("another sender is at it, or the channel asked to wait")


def send_overdue(engine: Engine, bus: Bus) -> int:
    """Asks again for notifications that nobody has sent for a while, and returns how many. Raises `BusUnavailable`."""
    with autocommit(engine) as connection:
        rows = connection.execute(
            text("""
                SELECT id FROM notifications
                WHERE sent_version < version AND due_at < now() - make_interval(secs => :age)
                ORDER BY due_at LIMIT :limit
            """),
            {"age": OVERDUE_SECONDS, "limit": LIMIT},
        ).all()
    publish(bus, [row.id for row in rows])
    return len(rows)


def publish(bus: Bus, notifications: list[UUID]) -> None:
    """Has notifications sent. Raises `BusUnavailable`."""
    events = [NotificationRequested(notification_id=id_) for id_ in notifications]
    if events:
        bus.publish(NOTIFICATIONS, [BusMessage(e.model_dump_json().encode(), {"type": e.type}) for e in events])


def offer(bus: Bus, notifications: list[UUID]) -> None:
    """Has notifications sent, by the maintenance sweep when the bus is down."""
    try:
        publish(bus, notifications)
    except BusUnavailable as error:
        log.warning("bus_unavailable", detail=error.detail, waiting=len(notifications))
