"""Where no channel is set up: the log, so that nothing pretends to have reached anybody."""

from __future__ import annotations

import structlog

from common.notify.port import Telling

log = structlog.get_logger()


class Log:
    """Writes each message as a warning."""

    def deliver(self, telling: Telling) -> str:
        """Logs the message."""
        message = telling.message
        facts = dict(message.facts)
        log.warning("nobody_told", title=message.title, status=message.status, text=message.text, facts=facts)
        return "log"
