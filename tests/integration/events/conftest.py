"""The outbox, a bus and dead letters in a database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.bus.topology import ANSWERS
from common.database.engine import connect
from common.events import outbox
from common.events.models import AnswerRequested
from common.events.outbox import Pending
from common.ids import new_id
from common.settings import LOCAL_WORKSPACE


class Outbox:
    """Writes events to the outbox, and counts what waits there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def put(self, count: int = 1, topic: str = ANSWERS) -> list[Pending]:
        """Writes events in a transaction of their own."""
        with self.engine.begin() as connection:
            return outbox.put(connection, LOCAL_WORKSPACE, [(topic, self.event()) for _ in range(count)])

    def event(self) -> AnswerRequested:
        """Some event."""
        return AnswerRequested(workspace_id=LOCAL_WORKSPACE, job_id=new_id(), item_id=new_id())

    def waiting(self) -> set[UUID]:
        """The rows that the bus does not have yet."""
        with self.engine.connect() as connection:
            return set(connection.execute(text("SELECT id FROM outbox")).scalars())


@pytest.fixture
def rows(engine: Engine) -> Outbox:
    """An empty outbox."""
    return Outbox(engine)


@pytest.fixture
def dead_engine() -> Iterator[Engine]:
    """An engine whose server is not there."""
    engine = connect("postgresql://sight@/sight?host=/nowhere", pool_size=1)
    yield engine
    engine.dispose()


@pytest.fixture
def stranger(engine: Engine) -> UUID:
    """Another workspace."""
    workspace_id = new_id()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO workspaces (id, name) VALUES (:id, 'Other')"), {"id": workspace_id})
    return workspace_id
