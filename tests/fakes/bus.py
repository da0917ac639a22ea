"""A bus that keeps what is published, for tests that look at or deliver it themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.bus.port import BusUnavailable, Message


@dataclass
class ListBus:
    """Keeps (topic, message) in the order of publication, and the delay of each batch; `broken` makes it refuse."""

    published: list[tuple[str, Message]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    broken: bool = False

    def publish(self, topic: str, messages: Sequence[Message], *, delay: float = 0.0) -> list[str]:
        """Keeps the messages."""
        if self.broken:
            raise BusUnavailable("the bus is down")
        start = len(self.published)
        self.delays.append(delay)
        self.published += [(topic, message) for message in messages]
        return [str(start + n) for n in range(len(messages))]

    def close(self) -> None:
        """Keeps everything."""

    def take(self, topic: str) -> list[bytes]:
        """The data of what was published to a topic since it was last taken, in order."""
        taken = [message.data for name, message in self.published if name == topic]
        self.published = [(name, message) for name, message in self.published if name != topic]
        return taken
