"""The event that has a notification sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from common.bus.port import Message
from common.ids import new_id


class NotificationRequested(BaseModel):
    """A notification has something to tell that was not told yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID = Field(default_factory=new_id)
    type: Literal["sight.notification.requested.v1"] = "sight.notification.requested.v1"
    notification_id: UUID


NOTIFICATION: TypeAdapter[NotificationRequested] = TypeAdapter(NotificationRequested)
"""Reads the event from its JSON."""


def requests(notifications: Iterable[UUID]) -> list[Message]:
    """The messages of the topic sight-notifications that ask for these."""
    events = (NotificationRequested(notification_id=id_) for id_ in notifications)
    return [Message(event.model_dump_json().encode(), {"type": event.type}) for event in events]
