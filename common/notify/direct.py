"""Tells people at once, with nothing kept: for when there is nowhere to keep it. It needs no database and no bus."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import structlog

from common.notify.port import NotTold, Telling

if TYPE_CHECKING:
    from common.notify.models import Message
    from common.notify.port import Channel

log = structlog.get_logger()

Handles = MutableMapping[tuple[str, str], str]
"""What was told before, by channel and thread."""


def send_now(channels: Mapping[str, Channel], message: Message, *, thread: str = "", handles: Handles) -> list[str]:
    """Tells people once on every channel and returns those that took it. Never raises.

    A thread that `handles` knows is brought up to date; messages without a thread are each one of their own.
    """
    told = []
    for name, channel in channels.items():
        try:
            handle: str | None = channel.deliver(Telling(message, handles.get((name, thread)) if thread else None))
            told.append(name)
        except NotTold as error:
            log.warning("not_told", channel=name, title=message.title, detail=error.detail)
            handle = error.handle
        except Exception:
            log.exception("telling_failed", channel=name, title=message.title)
            continue
        if thread and handle is not None:
            handles[name, thread] = handle
    return told
