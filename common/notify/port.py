"""What Sight asks of a channel that reaches people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from common.errors import Unavailable
from common.notify.models import Message


class NotTold(Unavailable):
    """The channel did not take the message, or not for everybody. `handle` is then that of what it took, to be given
    back with the next attempt."""

    code = "not_told"

    def __init__(self, detail: str, *, retry_after: float | None = None, handle: str | None = None) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.handle = handle


@dataclass(frozen=True, slots=True)
class Telling:
    """One attempt to tell something. `handle` is that of the thread's earlier message, which this one brings up to
    date, or that of an attempt that told only some. By `key` and `version` a channel recognises a message where it
    can; `doubtful` says that an earlier attempt may have told it without living to keep the handle."""

    message: Message
    handle: str | None = None
    key: str = ""
    version: int = 1
    doubtful: bool = False


class Channel(Protocol):
    """One way to reach people."""

    def deliver(self, telling: Telling, /) -> str:
        """Tells people and returns a handle of the message. Raises `NotTold`."""
        ...
