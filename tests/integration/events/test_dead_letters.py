"""Dead letters: recorded, listed and replayed."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine

from common.bus.port import BusUnavailable, Delivery
from common.events import dead_letters
from common.events.dead_letters import DeadLetterNotFound, DeadLetterView, NotReplayable
from common.ids import new_id
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus


def bury(engine: Engine, data: bytes = b"{}", subscription: str = "sight-jobs-fan-out", **attributes: str) -> None:
    """Keeps a message as a dead letter."""
    delivery = Delivery("m1", subscription, data, attributes, attempt=3)
    dead_letters.record(engine, LOCAL_WORKSPACE, delivery, code="job_not_found", cause="there is no job")


def listed(
    engine: Engine, workspace_id: UUID = LOCAL_WORKSPACE, *, limit: int = 10, before: UUID | None = None
) -> list[DeadLetterView]:
    """The dead letters of a workspace."""
    with engine.connect() as connection:
        return dead_letters.list_dead_letters(connection, workspace_id, limit=limit, before=before)


def test_dead_letters_are_listed_newest_first_and_in_pages(engine: Engine) -> None:
    """A page goes on where the one before it ended."""
    for n in range(5):
        bury(engine, str(n).encode())
    found = listed(engine)
    assert sorted((letter.data for letter in found), reverse=True) == ["4", "3", "2", "1", "0"]
    assert [letter.id for letter in found] == sorted((letter.id for letter in found), reverse=True)
    first = listed(engine, limit=2)
    assert first + listed(engine, before=first[-1].id) == found


def test_a_replayed_message_is_the_one_that_failed(engine: Engine) -> None:
    """Data and attributes are as they were, but for what the bus had added; it may be replayed again."""
    bus = ListBus()
    source = {"CloudPubSubDeadLetterSourceSubscription": "projects/p/subscriptions/sight-answers-answer"}
    bury(engine, b"\xff\x00", "sight-dead-letters-record", colour="blue", **source)
    (letter,) = listed(engine)
    assert letter.replayed_at is None
    for _ in range(2):
        replayed = dead_letters.replay(engine, bus, LOCAL_WORKSPACE, letter.id)
        assert replayed.replayed_at is not None
        assert listed(engine) == [replayed]
    assert [(topic, message.data, message.attributes) for topic, message in bus.published] == [
        ("sight-answers", b"\xff\x00", {"colour": "blue"})
    ] * 2


def test_a_replay_that_was_not_published_did_not_happen(engine: Engine) -> None:
    """A dead letter counts as replayed only once the bus has it."""
    bury(engine)
    (letter,) = listed(engine)
    with pytest.raises(BusUnavailable):
        dead_letters.replay(engine, ListBus(broken=True), LOCAL_WORKSPACE, letter.id)
    assert listed(engine) == [letter]


def test_a_message_of_no_known_subscription_is_not_replayed(engine: Engine) -> None:
    """Nobody knows which topic it came from."""
    bury(engine, subscription="")
    with pytest.raises(NotReplayable):
        dead_letters.replay(engine, ListBus(), LOCAL_WORKSPACE, listed(engine)[0].id)


def test_another_workspace_sees_nothing(engine: Engine, stranger: UUID) -> None:
    """It lists none, and an id it guessed names nothing."""
    bus = ListBus()
    bury(engine)
    (letter,) = listed(engine)
    assert listed(engine, stranger) == []
    for workspace_id, wanted in ((stranger, letter.id), (LOCAL_WORKSPACE, new_id())):
        with pytest.raises(DeadLetterNotFound):
            dead_letters.replay(engine, bus, workspace_id, wanted)
    assert bus.published == []
    assert listed(engine) == [letter]
