"""What Sight asks of a channel that reaches people."""

from __future__ import annotations

from typing import Protocol

from common.errors import Unavailable
from common.notify.models import Message


class NotTold(Unavailable):
    """The channel did not take the message."""

    code = "not_told"


class Channel(Protocol):
    """One way to reach people."""

    def deliver(self, message: Message, handle: str | None, /) -> str:
        """Tells people and returns a handle of the message. `handle` is that of the thread's earlier message, which
        this one brings up to date. Raises `NotTold`."""
        ...
