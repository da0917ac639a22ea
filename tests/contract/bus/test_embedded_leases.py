"""What the embedded bus promises when workers die, and how its leases keep them apart."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.bus.port import BusUnavailable, Message
from common.bus.topology import Subscription
from common.database.engine import connect
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]
WORK = Subscription("work-sub", "work", "work", ack_deadline=60, max_attempts=3, dead_letter_topic="dead")
DEAD = Subscription("dead-sub", "dead", "dead", dead_letter_topic=None)


def make_bus(engine: Engine, **changes: float) -> EmbeddedBus:
    """A bus with one subscription, changed as the test needs it, and one for its dead letters."""
    ensure_schema(engine)
    return EmbeddedBus(engine, subscriptions=[replace(WORK, **changes), DEAD])  # type: ignore[arg-type]


def expire_leases(engine: Engine) -> None:
    """Has every lease run out, as if its time had passed."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE embedded_bus.deliveries SET visible_at = now() - interval '1 second'"))


def test_a_lease_keeps_others_away_until_it_runs_out(empty_engine: Engine) -> None:
    """What one worker has received no other receives, unless the lease runs out; then it comes again, counted."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"x")])
    (first,) = bus.receive(10, owner="a")
    assert bus.receive(10, owner="b") == []
    expire_leases(empty_engine)
    (second,) = bus.receive(10, owner="b")
    assert (first.delivery.attempt, second.delivery.attempt) == (1, 2)
    assert second.delivery.message_id == first.delivery.message_id


def test_a_lease_lasts_as_long_as_its_subscription_says(empty_engine: Engine) -> None:
    """The ack deadline is the subscription's."""
    bus = make_bus(empty_engine, ack_deadline=1)
    bus.publish("work", [Message(b"x")])
    bus.receive(10, owner="a")
    assert bus.receive(10, owner="b") == []
    eventually(lambda: bus.receive(10, owner="b"))


@pytest.mark.parametrize("settle", ["ack", "nack", "extend"])
def test_a_lost_lease_settles_nothing(empty_engine: Engine, settle: str) -> None:
    """A worker whose lease ran out cannot settle what another has received since."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"x")])
    late = bus.receive(10, owner="late")
    expire_leases(empty_engine)
    (current,) = bus.receive(10, owner="current")
    getattr(bus, settle)(late)
    assert bus.receive(10, owner="third") == []
    bus.ack([current])
    expire_leases(empty_engine)
    assert bus.receive(10, owner="third") == []


def test_a_dead_workers_messages_are_handed_back_at_once(empty_engine: Engine) -> None:
    """Releasing a worker makes what it held available, and nothing else; releasing all does so for everyone."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"1"), Message(b"2"), Message(b"3")])
    dead = bus.receive(2, owner="dead")
    bus.receive(1, owner="alive")
    assert bus.release("dead") == 2
    again = bus.receive(10, owner="other")
    assert [received.delivery.data for received in again] == [received.delivery.data for received in dead]
    assert bus.release() == 3
    assert len(bus.receive(10, owner="new")) == 3


def test_a_worker_killed_mid_message_loses_nothing(empty_engine: Engine, empty_database_url: str) -> None:
    """A process killed by SIGKILL with messages in hand leaves all of them to others."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(f"{number}".encode()) for number in range(20)])
    program = f"""
import time
from common.bus.embedded import EmbeddedBus
from common.bus.topology import Subscription
from common.database.engine import connect
bus = EmbeddedBus(connect({empty_database_url!r}), subscriptions=[Subscription("work-sub", "work", "work")])
print(len(bus.receive(15, owner="killed")), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"15\n"
        worker.kill()
    assert len(bus.receive(20, owner="other")) == 5
    assert bus.release("killed") == 15
    assert len(bus.receive(20, owner="other")) == 15


def test_extending_keeps_a_lease(empty_engine: Engine) -> None:
    """An extended lease starts anew and still belongs to its owner."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"x")])
    received = bus.receive(1, owner="a")
    expire_leases(empty_engine)
    bus.extend(received)
    assert bus.receive(1, owner="b") == []
    assert bus.release("a") == 1


def test_what_kills_its_workers_becomes_a_dead_letter(empty_engine: Engine) -> None:
    """A message whose lease ran out on its last attempt is not tried again."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"deadly", {"a": "b"}, "key")])
    for attempt in (1, 2, 3):
        assert [received.delivery.attempt for received in bus.receive(1, owner="a")] == [attempt]
        expire_leases(empty_engine)
    assert bus.receive(1, owner="a") == []
    (letter,) = bus.receive(1, owner="a")
    assert (letter.delivery.subscription, letter.delivery.data, letter.delivery.ordering_key) == (
        "dead-sub",
        b"deadly",
        "key",
    )
    assert letter.delivery.attributes["a"] == "b"
    assert letter.delivery.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "3"


def test_a_subscription_without_dead_letters_tries_for_ever(empty_engine: Engine) -> None:
    """Where no dead letter topic is named, no attempt is the last."""
    bus = make_bus(empty_engine, max_attempts=1)
    bus.publish("dead", [Message(b"x")])
    for attempt in range(1, 15):
        received = bus.receive(1, owner="a")
        assert [one.delivery.attempt for one in received] == [attempt]
        bus.nack(received)
        expire_leases(empty_engine)


def test_the_backoff_grows_within_its_bounds(empty_engine: Engine) -> None:
    """Each refusal postpones a message by between the least and the greatest backoff, longer and longer."""
    bus = make_bus(empty_engine, max_attempts=100, min_backoff=1, max_backoff=60)
    bus.publish("work", [Message(f"{number}".encode()) for number in range(200)])
    averages = []
    for _ in range(8):
        bus.nack(bus.receive(200, owner="a"))
        with empty_engine.connect() as connection:
            waits = list(
                connection.scalars(text("SELECT extract(epoch FROM visible_at - now()) FROM embedded_bus.deliveries"))
            )
        assert len(waits) == 200
        assert all(0 < wait <= 60 for wait in waits)
        averages.append(sum(map(float, waits)) / 200)
        expire_leases(empty_engine)
    assert averages[0] < averages[2] < averages[4] < averages[6]


def test_acknowledging_and_receiving_may_share_a_statement(empty_engine: Engine) -> None:
    """What is handed in as done is gone, and new messages are leased."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"1"), Message(b"2")])
    first = bus.receive(1, owner="a")
    second = bus.receive(1, owner="a", done=first)
    assert [received.delivery.data for received in second] == [b"2"]
    bus.ack(second)
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM embedded_bus.deliveries")).scalar() == 0


def test_many_receivers_never_share_a_message(empty_database_url: str, empty_engine: Engine) -> None:
    """Receivers that compete get disjoint messages and together all of them."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(f"{number}".encode()) for number in range(400)])
    received: list[bytes] = []

    def receive(name: str) -> None:
        engine = connect(empty_database_url, pool_size=1)
        mine = EmbeddedBus(engine, subscriptions=[WORK, DEAD])
        while batch := mine.receive(7, owner=name):
            received.extend(one.delivery.data for one in batch)
            mine.ack(batch)
        engine.dispose()

    threads = [threading.Thread(target=receive, args=[f"receiver-{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(received, key=int) == [f"{number}".encode() for number in range(400)]


def test_the_schema_may_be_made_by_many_at_once(empty_database_url: str) -> None:
    """Processes that start together all find the table."""
    failures: list[Exception] = []

    def ensure() -> None:
        engine = connect(empty_database_url, pool_size=1)
        try:
            ensure_schema(engine)
        except Exception as error:
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_unreachable_database_is_an_unavailable_bus(tmp_path: Path) -> None:
    """Every operation says that the bus is unavailable, which callers retry."""
    engine = connect(f"postgresql://postgres@/none?host={tmp_path}")
    bus = EmbeddedBus(engine, subscriptions=[WORK])
    with pytest.raises(BusUnavailable):
        bus.publish("work", [Message(b"x")])
    with pytest.raises(BusUnavailable):
        bus.receive(1, owner="a")
    engine.dispose()


@pytest.fixture
def ended(empty_engine: Engine, empty_database_url: str) -> Iterator[EmbeddedBus]:
    """A bus whose pool is full of connections that the server has ended."""
    make_bus(empty_engine)
    engine = connect(empty_database_url, pool_size=2, application_name="to-be-ended")
    with engine.connect(), engine.connect():
        pass
    with empty_engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'to-be-ended'"
                " AND datname = current_database()"
            )
        )
    yield EmbeddedBus(engine, subscriptions=[WORK, DEAD])
    engine.dispose()


def test_a_lost_connection_costs_a_publisher_nothing(ended: EmbeddedBus) -> None:
    """When the server has ended the pool's connections, publishing connects anew by itself."""
    ended.publish("work", [Message(b"x")])
    assert len(ended.receive(1, owner="a")) == 1


def test_a_receiver_learns_that_its_connection_was_lost(ended: EmbeddedBus, empty_engine: Engine) -> None:
    """Receiving is not repeated in silence: what the lost statement leased would be held by nobody."""
    make_bus(empty_engine).publish("work", [Message(b"x")])
    with pytest.raises(BusUnavailable):
        ended.receive(1, owner="a")
    assert len(ended.receive(1, owner="a")) == 1


def test_what_is_kept_is_not_handed_back(empty_engine: Engine) -> None:
    """Releasing may leave out what its owner knows that it holds."""
    bus = make_bus(empty_engine)
    bus.publish("work", [Message(b"1"), Message(b"2")])
    known, _ = bus.receive(2, owner="a")
    assert bus.release("a", keeping=[known]) == 1
    (again,) = bus.receive(2, owner="b")
    assert again.delivery.attempt == 2
    assert again.id != known.id
