"""Tells people: sends the notifications that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.bootstrap import services
from common.notify.events import NOTIFICATION, NotificationRequested
from common.notify.send import send

if TYPE_CHECKING:
    from flask import Request


def notify(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-notifications."""
    return services().receiver.receive(request.get_data(), request.headers, NOTIFICATION, _handle)


def _handle(event: NotificationRequested) -> None:
    s = services()
    send(s.engine, s.bus, s.channels, event.notification_id)
