"""From the outbox to the bus."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.bus.port import BusUnavailable, Message
from common.bus.topology import ANSWERS, EVENTS, RESULTS
from common.events import outbox
from common.events.outbox import Relay
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus
from tests.fixtures.eventually import eventually
from tests.integration.events.conftest import Outbox


@dataclass
class GatedBus(ListBus):
    """Keeps the first publisher waiting until it is let go, and counts in what batches messages come."""

    entered: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    batches: list[int] = field(default_factory=list)

    def publish(self, topic: str, messages: Sequence[Message], *, delay: float = 0.0) -> list[str]:
        """Publishes once it may."""
        self.entered.set()
        assert self.go.wait(30)
        self.batches.append(len(messages))
        return super().publish(topic, messages, delay=delay)


def test_rows_are_deleted_once_published(rows: Outbox, engine: Engine) -> None:
    """What the bus has leaves the outbox, each topic in one batch; what was not sent stays."""
    bus = ListBus()
    first, second, other = rows.put(2), rows.put(topic=RESULTS), rows.put()
    Relay(engine, bus).send([*first, *second])
    assert [topic for topic, _ in bus.published] == [ANSWERS, ANSWERS, RESULTS]
    assert [message for _, message in bus.published] == [row.message() for row in (*first, *second)]
    assert rows.waiting() == {row.id for row in other}


def test_nothing_to_send_asks_nothing_of_anyone(dead_engine: Engine) -> None:
    """Neither bus nor database is needed."""
    Relay(dead_engine, ListBus(broken=True)).send([])


def test_a_broken_bus_leaves_the_rows(rows: Outbox, engine: Engine) -> None:
    """The sender learns that the bus is down, the rows wait, and the relay works again when the bus does."""
    bus = ListBus(broken=True)
    relay = Relay(engine, bus)
    waiting = rows.put(2)
    with pytest.raises(BusUnavailable):
        relay.send(waiting)
    assert rows.waiting() == {row.id for row in waiting}
    bus.broken = False
    relay.send(waiting)
    assert rows.waiting() == set()
    assert len(bus.published) == 2


def test_a_lost_database_leaves_the_rows_for_another_time(rows: Outbox, dead_engine: Engine) -> None:
    """Rows that were published and could not be deleted are published again: twice, but not never."""
    bus = ListBus()
    waiting = rows.put()
    with pytest.raises(DBAPIError):
        Relay(dead_engine, bus).send(waiting)
    assert len(bus.published) == 1
    assert rows.waiting() == {waiting[0].id}


def test_a_bus_in_the_same_database_takes_the_rows_in_one_transaction(rows: Outbox, engine: Engine) -> None:
    """What leaves the outbox is with the bus, every topic's; when it cannot be written, it stays."""
    ensure_schema(engine)
    bus = EmbeddedBus(engine)
    sent = [*rows.put(2), *rows.put(topic=RESULTS), *rows.put(topic=EVENTS)]
    Relay(engine, bus, bus.publish_along).send(sent)
    received = {one.delivery.data for one in bus.receive(10, owner="test")}
    assert received == {row.message().data for row in sent if row.topic != EVENTS}
    assert rows.waiting() == set()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE embedded_bus.deliveries RENAME TO elsewhere"))
    kept = rows.put()
    with pytest.raises(BusUnavailable):
        Relay(engine, bus, bus.publish_along).send(kept)
    assert rows.waiting() == {kept[0].id}


def gather(rows: Outbox, relay: Relay, bus: GatedBus, pool: ThreadPoolExecutor, count: int) -> list[Future[None]]:
    """Has one thread publish, and `count` others come while it does."""
    sent = [pool.submit(relay.send, rows.put())]
    assert bus.entered.wait(30)
    sent += [pool.submit(relay.send, rows.put()) for _ in range(count)]
    eventually(lambda: len(relay._gathering.rows) == count)
    bus.go.set()
    return sent


def test_threads_share_one_publish(rows: Outbox, engine: Engine) -> None:
    """What gathers while one thread publishes goes out in one batch, and each thread returns after its own."""
    bus = GatedBus()
    with ThreadPoolExecutor(7) as pool:
        for future in gather(rows, Relay(engine, bus), bus, pool, 6):
            future.result(30)
    assert bus.batches == [1, 6]
    assert rows.waiting() == set()


def test_every_thread_of_a_batch_learns_that_it_failed(rows: Outbox, engine: Engine) -> None:
    """None takes for published what was not, whoever led."""
    bus = GatedBus(broken=True)
    with ThreadPoolExecutor(4) as pool:
        failed = [future.exception(30) for future in gather(rows, Relay(engine, bus), bus, pool, 3)]
    assert [type(error) for error in failed] == [BusUnavailable] * 4
    assert len(rows.waiting()) == 4


def test_events_are_part_of_their_transaction(rows: Outbox, engine: Engine) -> None:
    """An event whose cause was rolled back never was."""
    with engine.connect() as connection:
        assert len(outbox.put(connection, LOCAL_WORKSPACE, [(ANSWERS, rows.event())])) == 1
        connection.rollback()
    assert rows.waiting() == set()


def test_stale_rows_come_oldest_first(rows: Outbox, engine: Engine) -> None:
    """Rows that have waited are found, up to a limit, as they were written; new ones are left to their sender."""
    older, old, _new = rows.put()[0], rows.put()[0], rows.put()[0]
    with engine.begin() as connection:
        for row, age in ((older, 20), (old, 10)):
            connection.execute(
                text("UPDATE outbox SET created_at = now() - make_interval(secs => :age) WHERE id = :id"),
                {"age": age, "id": row.id},
            )
    assert outbox.stale(engine, 5, 10) == [older, old]
    assert outbox.stale(engine, 5, 1) == [older]
    assert outbox.stale(engine, 60, 10) == []
