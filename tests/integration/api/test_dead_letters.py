"""Tests of the dead letter routes."""

from __future__ import annotations

from typing import Any

from common.bus.port import Delivery
from common.events import dead_letters
from common.settings import LOCAL_WORKSPACE
from tests.fixtures.api import Api


def bury(api: Api, subscription: str) -> str:
    """The id of a new dead letter."""
    delivery = Delivery("1", subscription, b"{\xff", {"type": "x"})
    dead_letters.record(api.services.engine, LOCAL_WORKSPACE, delivery, code="malformed_event", cause="not JSON")
    found: str = api.read("/dead-letters")["items"][0]["id"]
    return found


def test_a_dead_letter_is_listed_with_its_cause_and_replayed(api: Api) -> None:
    """Replaying publishes the message as it was to the topic it came from."""
    dead_letter_id = bury(api, "projects/p/subscriptions/sight-commands-accept")
    (listed,) = api.read("/dead-letters")["items"]
    assert (listed["cause_code"], listed["cause"], listed["data"]) == ("malformed_event", "not JSON", "{\ufffd")
    replayed: Any = api.post(f"/dead-letters/{dead_letter_id}:replay").json
    assert replayed["replayed_at"]
    assert [(topic, message.data) for topic, message in api.bus.published] == [("sight-commands", b"{\xff")]


def test_a_dead_letter_of_nowhere_is_not_replayed(api: Api) -> None:
    """409 says that nobody knows where it belongs."""
    problem: Any = api.post(f"/dead-letters/{bury(api, 'elsewhere')}:replay").json
    assert (problem["status"], problem["code"]) == (409, "not_replayable")
