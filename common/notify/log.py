"""Where no channel is set: the log, so that nothing pretends to have reached anybody."""

from __future__ import annotations

import structlog

from common.notify.models import Message

log = structlog.get_logger()


class Log:
    """Writes each message as a warning."""

    def deliver(self, message: Message, _handle: str | None) -> str:
        """Logs the message."""
        log.warning("notification", title=message.title, status=message.status, text=message.text)
        return "log"
