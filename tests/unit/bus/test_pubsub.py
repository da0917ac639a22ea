"""Tests of what the Pub/Sub adapter does before and without a Pub/Sub."""

from __future__ import annotations

import pytest

from common.bus import pubsub
from common.bus.port import BusUnavailable, Message
from common.bus.pubsub import PubSubBus

NOBODY = "127.0.0.1:1"


def batches(messages: list[Message]) -> list[list[int]]:
    """The positions that travel in each request."""
    return list(pubsub._batches(messages))


def test_messages_of_one_key_travel_together() -> None:
    """As few requests as possible, each of one ordering key."""
    messages = [Message(b"x", ordering_key=key) for key in ("a", "b", "a", "", "b")]
    assert batches(messages) == [[0, 2], [1, 4], [3]]


def test_a_request_keeps_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request holds more messages or bytes than Pub/Sub takes, and one large message still travels."""
    monkeypatch.setattr(pubsub, "MAX_REQUEST_MESSAGES", 3)
    assert batches([Message(b"x")] * 7) == [[0, 1, 2], [3, 4, 5], [6]]
    monkeypatch.setattr(pubsub, "MAX_REQUEST_BYTES", 1000)
    sizes = [Message(b"x" * size) for size in (400, 400, 400, 2000, 10)]
    assert batches(sizes) == [[0, 1], [2], [3], [4]]


def test_nothing_to_publish_is_no_request() -> None:
    """Publishing no messages succeeds without a Pub/Sub."""
    bus = PubSubBus(project="p", emulator_host=NOBODY)
    assert bus.publish("topic", []) == []
    bus.close()


def test_an_unreachable_pubsub_is_an_unavailable_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """When Pub/Sub cannot be reached the publisher learns it, after a bounded time."""
    monkeypatch.setattr(pubsub, "GIVE_UP_SECONDS", 0.3)
    bus = PubSubBus(project="p", emulator_host=NOBODY)
    with pytest.raises(BusUnavailable):
        bus.publish("topic", [Message(b"x")])
    bus.close()


def test_a_delay_needs_cloud_tasks() -> None:
    """A delayed message without the means to delay it is refused rather than sent at once."""
    bus = PubSubBus(project="p", emulator_host=NOBODY)
    with pytest.raises(BusUnavailable, match="Cloud Tasks"):
        bus.publish("topic", [Message(b"x")], delay=1.0)
    bus.close()
