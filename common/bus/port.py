"""What Sight asks of a bus, whichever carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from common.errors import Unavailable


class BusUnavailable(Unavailable):
    """The bus did not take the messages; none, some or all may have been accepted."""

    code = "bus_unavailable"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: bytes, attributes, and a key for consumers that care which messages belong in order.

    No bus of ours promises that order: handlers take events in any.
    """

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a push request brings it. `attempt` counts from 1 and is 0 where the bus does not say."""

    message_id: str
    subscription: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str = ""
    attempt: int = 0
    published_at: datetime | None = None


class Bus(Protocol):
    """Publishes at least once: a message may arrive twice, late or out of order, but not never."""

    def publish(self, topic: str, messages: Sequence[Message], *, delay: float = 0.0) -> list[str]:
        """Publishes in one batch and returns the message ids, in order, once they are durable.

        `delay` is in seconds: no subscriber sees the messages earlier. Raises `BusUnavailable`.
        """
        ...

    def close(self) -> None:
        """Sends what is buffered and releases connections."""
        ...
