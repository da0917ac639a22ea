"""Keeps what people are to be told until they were told. The caller owns the commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from common.text import storable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from common.notify.models import Message

# The attempts are not forgotten with what is new: one of them may have told the older version.
_TELL = text("""
INSERT INTO notifications AS n (id, channel, thread, message)
SELECT gen_random_uuid(), c.channel, :thread, CAST(:message AS jsonb)
FROM unnest(CAST(:channels AS text[])) AS c(channel)
ON CONFLICT (channel, thread) DO UPDATE
SET message = excluded.message, version = n.version + 1, due_at = now()
WHERE n.message <> excluded.message
RETURNING id
""")


def tell(connection: Connection, thread: str, message: Message, channels: Sequence[str]) -> list[UUID]:
    """Has people told on each channel, and returns the notifications to ask for after the commit. A thread is one
    message there, and this the newest state of it; to tell the same again changes nothing."""
    document = json.dumps(storable(message.as_json()), ensure_ascii=False, sort_keys=True)
    rows = connection.execute(_TELL, {"thread": thread, "message": document, "channels": list(channels)})
    return [row.id for row in rows]
