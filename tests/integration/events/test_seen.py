"""Events that were handled before."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from common.events.seen import first_time
from common.settings import LOCAL_WORKSPACE


def note(engine: Engine, consumer: str, event_id: str, workspace_id: UUID = LOCAL_WORKSPACE) -> bool:
    """Notes an event in a transaction of its own."""
    with engine.begin() as connection:
        return first_time(connection, workspace_id, consumer, event_id)


def test_an_event_is_new_once_for_each_consumer_and_workspace(engine: Engine, stranger: UUID) -> None:
    """A repeat is known; another consumer, event or workspace is another case."""
    assert note(engine, "commands", "e1")
    assert not note(engine, "commands", "e1")
    assert note(engine, "mail", "e1")
    assert note(engine, "commands", "e2")
    assert note(engine, "commands", "e1", stranger)


def test_what_was_rolled_back_was_not_seen(engine: Engine) -> None:
    """The note belongs to the transaction that handles the event."""
    with engine.connect() as connection:
        assert first_time(connection, LOCAL_WORKSPACE, "commands", "e1")
        connection.rollback()
    assert note(engine, "commands", "e1")
