"""Messages nobody could handle: recorded with their cause, listed, and replayed after a fix."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from common.bus.port import Bus, Delivery, Message
from common.bus.topology import BY_NAME
from common.errors import Conflict, NotFound
from common.ids import new_id
from common.text import storable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SOURCE_SUBSCRIPTION = "CloudPubSubDeadLetterSourceSubscription"
SOURCE_ATTEMPTS = "CloudPubSubDeadLetterSourceDeliveryCount"
MAX_COUNT = 2**31 - 1
"""The greatest number the column takes."""


class DeadLetterNotFound(NotFound):
    """No such dead letter in this workspace."""

    code = "dead_letter_not_found"


class NotReplayable(Conflict):
    """The dead letter does not say which topic it came from."""

    code = "not_replayable"


class DeadLetterView(BaseModel):
    """A dead letter as callers see it; `data` is the message's text, with what is not UTF-8 replaced."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    subscription: str
    message_id: str
    data: str
    attributes: dict[str, str]
    attempts: int
    cause_code: str
    cause: str
    created_at: datetime
    replayed_at: datetime | None


def record(engine: Engine, workspace_id: UUID, delivery: Delivery, *, code: str, cause: str) -> None:
    """Keeps a message and why it could not be handled. One that was dead-lettered by the bus is kept under
    the subscription it failed on."""
    attributes: dict[str, str] = storable(dict(delivery.attributes))
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO dead_letters (id, workspace_id, subscription, message_id, data, attributes, attempts,
                                          cause_code, cause)
                VALUES (:id, :workspace, :subscription, :message, :data, CAST(:attributes AS jsonb), :attempts,
                        :code, :cause)
            """),
            {
                "id": new_id(),
                "workspace": workspace_id,
                "subscription": attributes.get(SOURCE_SUBSCRIPTION, storable(delivery.subscription)),
                "message": storable(delivery.message_id),
                "data": delivery.data,
                "attributes": json.dumps(attributes),
                "attempts": _attempts(delivery),
                "code": code,
                "cause": storable(cause),
            },
        )


def list_dead_letters(
    connection: Connection, workspace_id: UUID, *, limit: int, before: UUID | None
) -> list[DeadLetterView]:
    """Dead letters, newest first; `before` is the last id of the page before."""
    rows = connection.execute(
        text("""
            SELECT * FROM dead_letters WHERE workspace_id = :workspace
              AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
        """),
        {"workspace": workspace_id, "before": before, "limit": limit},
    )
    return [_view(row) for row in rows]


def replay(engine: Engine, bus: Bus, workspace_id: UUID, dead_letter_id: UUID) -> DeadLetterView:
    """Publishes the message again to the topic it came from. It may be replayed again: handlers recognise
    a repeat. Raises `DeadLetterNotFound`, `NotReplayable` or `BusUnavailable`."""
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT * FROM dead_letters WHERE id = :id AND workspace_id = :workspace FOR UPDATE"),
            {"id": dead_letter_id, "workspace": workspace_id},
        ).one_or_none()
        if row is None:
            raise DeadLetterNotFound(f"there is no dead letter {dead_letter_id}")
        subscription = BY_NAME.get(row.subscription.rpartition("/")[2])
        if subscription is None:
            raise NotReplayable(f"the message came from subscription '{row.subscription}', which has no topic")
        attributes = {k: v for k, v in row.attributes.items() if not k.startswith("CloudPubSubDeadLetter")}
        bus.publish(subscription.topic, [Message(row.data, attributes)])
        updated = connection.execute(
            text("UPDATE dead_letters SET replayed_at = now() WHERE id = :id RETURNING *"), {"id": dead_letter_id}
        ).one()
        return _view(updated)


def _attempts(delivery: Delivery) -> int:
    """How often the message was delivered. Anyone who may publish may set the attribute, to anything."""
    counted = delivery.attributes.get(SOURCE_ATTEMPTS, "")
    known = counted.isascii() and counted.isdecimal() and len(counted) <= len(str(MAX_COUNT))
    return min(int(counted) if known else delivery.attempt, MAX_COUNT)


def _view(row: Any) -> DeadLetterView:
    return DeadLetterView(
        id=row.id,
        subscription=row.subscription,
        message_id=row.message_id,
        data=bytes(row.data).decode(errors="replace"),
        attributes=row.attributes,
        attempts=row.attempts,
        cause_code=row.cause_code,
        cause=row.cause,
        created_at=row.created_at,
        replayed_at=row.replayed_at,
    )
