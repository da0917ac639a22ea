"""Tests of the worker beyond what the contract of both buses covers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Engine, text

from common.bus.embedded import EmbeddedBus, Received
from common.bus.embedded_schema import ensure_schema
from common.bus.port import BusUnavailable, Message
from common.bus.topology import Subscription
from local.bell import Bell
from local.worker import Worker
from tests.fixtures.eventually import eventually

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

WORK = Subscription("work-sub", "work", "work", ack_deadline=60, min_backoff=30, max_backoff=60)


@pytest.fixture
def bus(empty_engine: Engine) -> EmbeddedBus:
    """A bus with one subscription."""
    ensure_schema(empty_engine)
    return EmbeddedBus(empty_engine, subscriptions=[WORK])


def answering(handle: Callable[[], int]) -> WSGIApplication:
    """An app that answers with the status `handle` returns."""

    def app(environ: dict[str, Any], start_response: Callable[[str, list[Any]], object]) -> list[bytes]:
        start_response(f"{handle()} -", [])
        return [b"body"]

    return cast("WSGIApplication", app)


@contextmanager
def working(bus: EmbeddedBus, handle: Callable[[], int], *, threads: int = 2) -> Iterator[Worker]:
    """A worker at work in a thread."""
    bell = Bell()
    worker = Worker(bus, {"work-sub": answering(handle)}, name="w", threads=threads, bell=bell)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()
        bell.close()


def rows(engine: Engine) -> list[tuple[int, str | None, bool]]:
    """The attempt, the owner and whether it is visible, of each delivery."""
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT attempt, owner, visible_at <= now() FROM embedded_bus.deliveries ORDER BY id")
        )
        return [tuple(row) for row in found]


@pytest.mark.parametrize(
    ("status", "acknowledged"), [(200, True), (204, True), (302, False), (400, False), (503, False)]
)
def test_the_status_settles_a_message(bus: EmbeddedBus, empty_engine: Engine, status: int, acknowledged: bool) -> None:
    """The statuses by which Pub/Sub acknowledges do so here, and any other has the message come again."""
    bus.publish("work", [Message(b"x")])
    with working(bus, lambda: status):
        eventually(lambda: rows(empty_engine) == ([] if acknowledged else [(1, None, False)]))


def test_a_function_that_raises_has_its_message_come_again(bus: EmbeddedBus, empty_engine: Engine) -> None:
    """An exception that leaves the function counts as a refusal, and the worker goes on."""
    bus.publish("work", [Message(b"x")])

    def explode() -> int:
        raise RuntimeError("boom")

    with working(bus, explode):
        eventually(lambda: rows(empty_engine) == [(1, None, False)])


def test_no_more_is_claimed_than_there_are_threads_for(bus: EmbeddedBus, empty_engine: Engine) -> None:
    """A worker with all threads busy leaves the rest to others."""
    release = threading.Event()
    bus.publish("work", [Message(f"{number}".encode()) for number in range(5)])

    def wait() -> int:
        release.wait(30)
        return 204

    with working(bus, wait, threads=2):
        eventually(lambda: [row[0] for row in rows(empty_engine)] == [1, 1, 0, 0, 0])
        assert len(bus.receive(10, owner="other")) == 3
        release.set()
        eventually(lambda: len(rows(empty_engine)) == 3)


def test_a_lease_is_renewed_while_its_function_works(empty_engine: Engine) -> None:
    """A function that takes longer than the ack deadline keeps its message to itself."""
    ensure_schema(empty_engine)
    bus = EmbeddedBus(empty_engine, subscriptions=[Subscription("work-sub", "work", "work", ack_deadline=4)])
    finish = threading.Event()
    begun: list[int] = []
    bus.publish("work", [Message(b"x")])

    def wait() -> int:
        begun.append(1)
        finish.wait(30)
        return 204

    def leased_anew() -> bool:
        with empty_engine.connect() as connection:
            age = text("SELECT visible_at - published_at > interval '5 seconds' FROM embedded_bus.deliveries")
            return bool(connection.execute(age).scalar())

    with working(bus, wait):
        eventually(leased_anew)
        assert begun == [1]
        finish.set()
        eventually(lambda: rows(empty_engine) == [])


def test_what_is_refused_at_the_end_is_there_for_others_at_once(bus: EmbeddedBus, empty_engine: Engine) -> None:
    """A function that answers 503 because its process ends does not have its message wait."""
    begun, refuse = threading.Event(), threading.Event()
    bus.publish("work", [Message(b"x")])

    def wait() -> int:
        begun.set()
        refuse.wait(30)
        return 503

    with working(bus, wait) as worker:
        assert begun.wait(30)
        worker.stop()
        refuse.set()
        eventually(lambda: rows(empty_engine) == [(1, None, True)])


def test_what_is_refused_as_the_end_begins_is_there_for_others_at_once(
    bus: EmbeddedBus, empty_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what the visit settles that is under way just then."""
    refuse = threading.Event()
    bus.publish("work", [Message(b"x")])

    def wait() -> int:
        refuse.wait(30)
        return 503

    with working(bus, wait) as worker:
        take = worker._take_settled

        def told_then() -> Any:
            if (taken := take()).failed:
                worker.stop()
            return taken

        monkeypatch.setattr(worker, "_take_settled", told_then)
        refuse.set()
        eventually(lambda: rows(empty_engine) == [(1, None, True)])


def test_what_does_not_end_is_handed_back(bus: EmbeddedBus, empty_engine: Engine) -> None:
    """A message whose function is still at work when the process has to end is there for others at once."""
    finish = threading.Event()
    bus.publish("work", [Message(b"x")])

    def wait() -> int:
        finish.wait(30)
        return 204

    with working(bus, wait, threads=1) as worker:
        eventually(lambda: rows(empty_engine) and rows(empty_engine)[0][1] == "w")
        worker.hand_back()
        assert rows(empty_engine) == [(1, None, True)]
        worker.stop()
        finish.set()


def test_a_successor_hands_back_what_its_predecessor_held(bus: EmbeddedBus, empty_engine: Engine) -> None:
    """A worker that starts under the name of one that died receives its messages."""
    bus.publish("work", [Message(b"x")])
    bus.receive(1, owner="w")
    with working(bus, lambda: 204):
        eventually(lambda: rows(empty_engine) == [])


def test_a_lost_bus_is_found_again(bus: EmbeddedBus, empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the bus cannot be reached the worker keeps trying, and what it has finished meanwhile is settled then."""
    down = threading.Event()
    refused: list[int] = []
    receive = bus.receive

    def flaky(limit: int, *, owner: str, done: Any = ()) -> list[Received]:
        if down.is_set():
            refused.append(1)
            raise BusUnavailable("down")
        return receive(limit, owner=owner, done=done)

    monkeypatch.setattr(bus, "receive", flaky)
    begun, finish = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        finish.wait(30)
        return 204

    bus.publish("work", [Message(b"x")])
    with working(bus, wait):
        assert begun.wait(30)
        down.set()
        finish.set()
        eventually(lambda: len(refused) >= 2)
        assert len(rows(empty_engine)) == 1
        down.clear()
        eventually(lambda: rows(empty_engine) == [])


def test_what_was_leased_in_a_reply_that_never_came_is_received_again(
    bus: EmbeddedBus, empty_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose bus is lost between leasing and answering does not leave the message to its lease, and
    keeps what it is at work on."""
    lost: list[Received] = []
    receive = bus.receive

    def forgetful(limit: int, *, owner: str, done: Any = ()) -> list[Received]:
        received = receive(limit, owner=owner, done=done)
        if lost or not begun.is_set() or not received:
            return received
        lost.extend(received)
        raise BusUnavailable("lost")

    monkeypatch.setattr(bus, "receive", forgetful)
    begun, finish = threading.Event(), threading.Event()
    handled: list[int] = []

    def wait() -> int:
        handled.append(1)
        if len(handled) == 1:
            begun.set()
            finish.wait(30)
        return 204

    bus.publish("work", [Message(b"long")])
    with working(bus, wait):
        assert begun.wait(30)
        bus.publish("work", [Message(b"lost")])
        eventually(lambda: [attempt for attempt, _, _ in rows(empty_engine)] == [1])
        assert [received.delivery.data for received in lost] == [b"lost"]
        assert len(handled) == 2
        finish.set()
        eventually(lambda: rows(empty_engine) == [])
    assert len(handled) == 2
