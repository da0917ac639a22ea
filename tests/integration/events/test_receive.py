"""Push requests, and what becomes of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.bus.envelope import to_push
from common.bus.port import BusUnavailable, Delivery, Message
from common.bus.topology import BY_NAME, JOBS
from common.database.prepared import run
from common.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from common.events import receive
from common.events.dead_letters import DeadLetterView, list_dead_letters
from common.events.models import EVENT, AnyEvent, JobAccepted
from common.events.receive import Receiver
from common.ids import new_id
from common.jobs.errors import ItemBusy
from common.llm.port import RateLimited
from common.settings import LOCAL_WORKSPACE
from common.shutdown import Shutdown
from tests.fakes.bus import ListBus

EVENT_JSON = JobAccepted(workspace_id=LOCAL_WORKSPACE, job_id=new_id()).model_dump_json().encode()
SUBSCRIPTION = "projects/p/subscriptions/sight-jobs-fan-out"
Handle = Callable[[AnyEvent], None]


def no_proof(_authorization: str | None) -> None:
    """Lets everyone in."""


@dataclass
class Inbox:
    """Pushes to a receiver, and keeps what it handed on."""

    engine: Engine
    receiver: Receiver
    handled: list[AnyEvent] = field(default_factory=list)

    def push(
        self, data: bytes = EVENT_JSON, handle: Callable[[AnyEvent], None] | None = None, **attributes: str
    ) -> int:
        """Pushes a message and returns the status of the answer."""
        return self.post(to_push(Delivery("m1", SUBSCRIPTION, data, attributes, attempt=2)), handle)

    def post(self, body: bytes, handle: Handle | None = None, **headers: str) -> int:
        """Posts a body and returns the status of the answer."""
        return self.receiver.receive(body, headers, EVENT, handle or self.handled.append)[1]

    def buried(self) -> list[DeadLetterView]:
        """The dead letters, newest first."""
        with self.engine.connect() as connection:
            return list_dead_letters(connection, LOCAL_WORKSPACE, limit=10, before=None)


@pytest.fixture
def inbox(engine: Engine) -> Inbox:
    """A receiver that asks for no proof."""
    return Inbox(engine, Receiver(engine, LOCAL_WORKSPACE, no_proof, ListBus()))


def raising(error: Exception) -> Handle:
    """A handler that fails."""

    def handle(_event: AnyEvent) -> None:
        raise error

    return handle


def running(engine: Engine, statement: str, *, prepared: bool = False) -> Handle:
    """A handler that runs a statement, in either way there is."""

    def handle(_event: AnyEvent) -> None:
        if prepared:
            run(engine, statement)
            return
        with engine.begin() as connection:
            connection.execute(text(statement))

    return handle


def test_an_event_is_handled_and_acknowledged(inbox: Inbox) -> None:
    """The handler gets the event as what it is, once."""
    assert inbox.push() == 204
    assert inbox.handled == [EVENT.validate_json(EVENT_JSON)]
    assert inbox.buried() == []


@pytest.mark.parametrize(
    "body", [b"", b"\xff\x00", b"[]", b"{}", b'{"message": {"messageId": "1", "data": "?"}, "subscription": "s"}']
)
def test_a_malformed_envelope_is_a_dead_letter(inbox: Inbox, body: bytes) -> None:
    """What is no push request at all is kept as it came, and never comes again."""
    assert inbox.post(body) == 204
    (letter,) = inbox.buried()
    assert (letter.cause_code, letter.data) == ("malformed", body.decode(errors="replace"))
    assert inbox.handled == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"{\xff}",
        b'{"type": "sight.nonsense.v1"}',
        json.dumps(json.loads(EVENT_JSON) | {"nul\x00": 1}).encode(),
        json.dumps(json.loads(EVENT_JSON) | {"job_id": "seven"}).encode(),
    ],
)
def test_what_is_no_event_is_a_dead_letter(inbox: Inbox, data: bytes) -> None:
    """Unknown types, unknown fields and wrong values are told apart by the cause, which quotes no input."""
    assert inbox.push(data, colour="blue") == 204
    (letter,) = inbox.buried()
    assert (letter.cause_code, letter.subscription, letter.message_id, letter.attempts) == (
        "malformed_event",
        "sight-jobs-fan-out",
        "m1",
        2,
    )
    assert letter.attributes == {"colour": "blue"}
    assert letter.cause
    assert "seven" not in letter.cause


@pytest.mark.parametrize(
    ("error", "code"), [(NotFound("there is no job 7"), "not_found"), (InvalidInput.of("x", "bad"), "invalid_input")]
)
def test_what_can_never_succeed_is_a_dead_letter(inbox: Inbox, error: Exception, code: str) -> None:
    """An event that names what does not exist, or asks for the impossible, is kept with the reason."""
    assert inbox.push(handle=raising(error)) == 204
    assert [(letter.cause_code, letter.cause) for letter in inbox.buried()] == [(code, str(error))]


@pytest.mark.parametrize("error", [Unavailable("busy"), BusUnavailable("down")])
def test_what_may_pass_comes_again(inbox: Inbox, error: Exception) -> None:
    """503 has the bus deliver the message again, later."""
    assert inbox.push(handle=raising(error)) == 503
    assert inbox.buried() == []


def test_what_only_has_to_wait_comes_again_when_its_error_says(inbox: Inbox) -> None:
    """The delivery is acknowledged, so that none of the bus's attempts is used up; it is another one that comes."""
    bus = inbox.receiver.bus
    assert isinstance(bus, ListBus)
    for error in (RateLimited("slow", retry_after=170.0), RateLimited("slow", retry_after=0.0), ItemBusy("held")):
        assert inbox.push(handle=raising(error), colour="blue") == 204
    assert bus.published == [(JOBS, Message(EVENT_JSON, {"colour": "blue"}))] * 3
    assert bus.delays == [170.0, receive.LEAST_WAIT_SECONDS, receive.WAIT_SECONDS]
    assert inbox.buried() == []


def test_what_cannot_be_published_for_later_is_not_acknowledged(inbox: Inbox) -> None:
    """With the bus away, or from a subscription nobody knows, the delivery itself comes again."""
    bus = inbox.receiver.bus
    assert isinstance(bus, ListBus)
    handle = raising(RateLimited("slow", retry_after=170.0))
    assert inbox.post(to_push(Delivery("m1", "strange", EVENT_JSON, {})), handle) == 503
    bus.broken = True
    assert inbox.push(handle=handle) == 503
    assert bus.published == []


def test_what_never_can_be_handled_is_told(inbox: Inbox) -> None:
    """An impossible event at once, an unexpected error with the last delivery, a passing trouble never."""
    told: list[tuple[AnyEvent, str]] = []

    def push(error: Exception, attempt: int) -> int:
        body = to_push(Delivery("m1", SUBSCRIPTION, EVENT_JSON, {}, attempt=attempt))
        handled = inbox.receiver.receive(body, {}, EVENT, raising(error), give_up=lambda *args: told.append(args))
        return handled[1]

    last = BY_NAME["sight-jobs-fan-out"].max_attempts
    assert [push(Unavailable("busy"), last), push(RuntimeError("a bug"), last - 1)] == [503, 500]
    assert told == []
    assert [push(InvalidInput.of("x", "bad"), 1), push(RuntimeError("a bug"), last)] == [204, 500]
    event = EVENT.validate_json(EVENT_JSON)
    assert told == [(event, "x: bad"), (event, "an unexpected error (RuntimeError)")]


def test_an_event_is_kept_until_it_was_told(inbox: Inbox, dead_engine: Engine) -> None:
    """With the database away what is to be told waits, and the message with it."""

    def give_up(_event: AnyEvent, _cause: str) -> None:
        with dead_engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    body = to_push(Delivery("m1", SUBSCRIPTION, EVENT_JSON, {}, attempt=100))
    for error in (NotFound("nothing"), RuntimeError("a bug")):
        assert inbox.receiver.receive(body, {}, EVENT, raising(error), give_up=give_up)[1] == 503
    assert inbox.buried() == []


def test_a_lost_database_has_the_event_come_again(inbox: Inbox, dead_engine: Engine) -> None:
    """Whatever the handler was about to do, it is tried again when the database is back."""

    def handle(_event: AnyEvent) -> None:
        with dead_engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    assert inbox.push(handle=handle) == 503
    assert inbox.buried() == []


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("SELECT 1 / 0", "22012"),
        ("SELECT CAST('seven' AS int)", "22P02"),
        ("INSERT INTO projects (id, workspace_id) VALUES (gen_random_uuid(), gen_random_uuid())", "23502"),
    ],
)
@pytest.mark.parametrize("prepared", [False, True])
def test_data_the_database_refuses_is_a_dead_letter(inbox: Inbox, statement: str, state: str, prepared: bool) -> None:
    """No redelivery can mend it; what the server said is the cause."""
    assert inbox.push(handle=running(inbox.engine, statement, prepared=prepared)) == 204
    (letter,) = inbox.buried()
    assert letter.cause_code == "database_refused"
    assert letter.cause.endswith(f"(SQLSTATE {state})")


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53300", "57014", "57P01"])
def test_trouble_of_the_database_comes_again(inbox: Inbox, state: str) -> None:
    """A conflict with others, a server that is full, shutting down or slow: later it may well succeed."""
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{state}'; END $$"
    assert inbox.push(handle=running(inbox.engine, statement)) == 503
    assert inbox.buried() == []


def test_a_statement_that_is_wrong_is_an_unexpected_error(inbox: Inbox) -> None:
    """It is an error of ours, and not the database's."""
    assert inbox.push(handle=running(inbox.engine, "SELECT * FROM no_such_table")) == 500
    assert inbox.buried() == []


@pytest.mark.parametrize("body", [b"{}", to_push(Delivery("m1", SUBSCRIPTION, b"nonsense", {}))])
def test_a_dead_letter_that_cannot_be_kept_comes_again(dead_engine: Engine, body: bytes) -> None:
    """A message is acknowledged only once it is safe."""
    assert Inbox(dead_engine, Receiver(dead_engine, LOCAL_WORKSPACE, no_proof, ListBus())).post(body) == 503


def test_an_unexpected_error_is_not_hidden(inbox: Inbox) -> None:
    """500 has the message come again as well, and is seen in the figures of the service."""
    assert inbox.push(handle=raising(RuntimeError("a bug"))) == 500
    assert inbox.buried() == []


@pytest.mark.parametrize(("error", "status"), [(Unauthenticated("no token"), 401), (Unavailable("no keys"), 503)])
def test_a_sender_that_is_not_proved_reaches_nothing(engine: Engine, error: Exception, status: int) -> None:
    """A missing proof is refused, one that cannot be examined now is asked for again, and neither leaves a trace."""
    seen: list[str | None] = []

    def prove(authorization: str | None) -> None:
        seen.append(authorization)
        raise error

    guarded = Inbox(engine, Receiver(engine, LOCAL_WORKSPACE, prove, ListBus()))
    body = to_push(Delivery("m1", SUBSCRIPTION, EVENT_JSON, {}))
    assert guarded.post(body) == status
    assert guarded.receiver.bury(body, {"Authorization": "Bearer x"})[1] == status
    assert seen == [None, "Bearer x"]
    assert guarded.handled == []
    assert guarded.buried() == []


def test_a_process_that_is_to_end_takes_no_delivery(engine: Engine) -> None:
    """It comes again, elsewhere, and leaves no trace here."""
    shutdown = Shutdown()
    ending = Inbox(engine, Receiver(engine, LOCAL_WORKSPACE, no_proof, ListBus(), shutdown))
    assert ending.push() == 204
    shutdown.begin()
    assert ending.push() == 503
    assert ending.receiver.bury(to_push(Delivery("m1", SUBSCRIPTION, EVENT_JSON, {})), {})[1] == 503
    assert len(ending.handled) == 1
    assert ending.buried() == []


def test_what_the_bus_gave_up_on_is_kept_under_where_it_failed(inbox: Inbox) -> None:
    """A dead-lettered message names the subscription it failed on and how often it was tried there."""
    attributes = {
        "CloudPubSubDeadLetterSourceSubscription": "sight-answers-answer",
        "CloudPubSubDeadLetterSourceDeliveryCount": "10",
    }
    body = to_push(Delivery("m1", "sight-dead-letters-record", EVENT_JSON, attributes))
    assert inbox.receiver.bury(body, {})[1] == 204
    (letter,) = inbox.buried()
    assert (letter.cause_code, letter.subscription, letter.attempts) == (
        "attempts_exhausted",
        "sight-answers-answer",
        10,
    )


@pytest.mark.parametrize("count", ["", "many", "-1", "²", "9" * 30, "2147483648"])
def test_no_attribute_keeps_a_message_from_being_kept(inbox: Inbox, count: str) -> None:
    """Who publishes may set any attribute to anything: what makes no sense is passed over or replaced."""
    attributes = {
        "CloudPubSubDeadLetterSourceDeliveryCount": count,
        "CloudPubSubDeadLetterSourceSubscription": "a\x00b",
        "nul\x00": "\\u0000 \x00",
    }
    message = {"messageId": "m\x00", "attributes": attributes, "data": base64.b64encode(b"\x00").decode()}
    body: dict[str, Any] = {"message": message, "subscription": "s\x00", "deliveryAttempt": 10**12}
    assert inbox.receiver.bury(json.dumps(body).encode(), {})[1] == 204
    (letter,) = inbox.buried()
    assert (letter.subscription, letter.message_id, letter.data) == ("a\ufffdb", "m\ufffd", "\x00")
    assert letter.attributes["nul\ufffd"] == "\\u0000 \ufffd"
    assert letter.attempts == 2**31 - 1
