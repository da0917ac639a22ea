"""Tests of telling people with nothing kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.notify.direct import send_now
from common.notify.models import Message
from common.notify.port import NotTold, Telling

MESSAGE = Message("api: rolled back", "done", "")


@dataclass
class Recorder:
    """A channel that keeps what it is given, or raises."""

    error: Exception | None = None
    told: list[Telling] = field(default_factory=list)

    def deliver(self, telling: Telling) -> str:
        """Keeps it."""
        if self.error is not None:
            raise self.error
        self.told.append(telling)
        return f"handle {len(self.told)}"


def test_every_channel_is_tried_whatever_the_others_do() -> None:
    """A channel that is down or breaks keeps nobody from being told on another."""
    good = Recorder()
    channels = {"a": Recorder(NotTold("down")), "b": Recorder(RuntimeError("bug")), "c": good}
    assert send_now(channels, MESSAGE, handles={}) == ["c"]
    assert good.told == [Telling(MESSAGE)]


def test_a_thread_is_brought_up_to_date() -> None:
    """What is said again of the same thing updates what was said; without a thread each stands alone."""
    channel = Recorder()
    handles: dict[tuple[str, str], str] = {}
    for thread in ("", "incident/1", "incident/1", "incident/2", ""):
        send_now({"a": channel}, MESSAGE, thread=thread, handles=handles)
    assert [telling.handle for telling in channel.told] == [None, None, "handle 2", None, None]


def test_whoever_was_not_told_is_known_to_the_next_message() -> None:
    """A channel that told some of them says so, and is given that back when the thread goes on."""
    channel = Recorder(NotTold("not all", handle="some"))
    handles: dict[tuple[str, str], str] = {}
    assert send_now({"a": channel}, MESSAGE, thread="incident/1", handles=handles) == []
    channel.error = NotTold("down")
    assert send_now({"a": channel}, MESSAGE, thread="incident/1", handles=handles) == []
    channel.error = None
    assert send_now({"a": channel}, MESSAGE, thread="incident/1", handles=handles) == ["a"]
    assert [telling.handle for telling in channel.told] == ["some"]
