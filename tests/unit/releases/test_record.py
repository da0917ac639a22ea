"""Tests of the record of an incident."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from common.cloud_run.port import Target
from common.notify.models import Message
from common.releases.models import Alert, Decision
from common.releases.record import Record, record_of

ALERT = Alert(
    incident_id="i1",
    version="1.2",
    state="open",
    kind="errors",
    service="api",
    region="europe-central2",
    revision="api-2",
    opted_in=True,
    summary="too many errors",
    url="https://example.com/i1",
    started_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
)
ROLL_BACK = Decision("roll_back", "rolled_back", "api-2 is broken", "api-2", "api-1")
BEFORE, AFTER = (Target("api-2", 100),), (Target("api-1", 100), Target("api-2", 0, "failed-12345678"))


def record() -> Record:
    """The record of an alert that has just come."""
    return record_of(ALERT, {"version": "1.2"})


def asked() -> Record:
    """The record of a rollback about to be made."""
    return record().decided(ROLL_BACK).asking(BEFORE, AFTER)


def said(found: Record) -> Message:
    """What people are told of it."""
    message = found.message()
    assert message is not None
    return message


@pytest.mark.parametrize(
    "found",
    [
        record(),
        record().decided(Decision("notify", "paused", "automation is paused")),
        asked(),
        asked().verified(),
        asked().failed("it went elsewhere"),
        replace(record(), started_at=None),
    ],
)
def test_a_record_survives_the_bus(found: Record) -> None:
    """Written as JSON and read back it is the same."""
    assert Record.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_two_writers_agree_on_ids() -> None:
    """The same incident of the same service is one row, whoever writes it; another is another."""
    assert record().id == record_of(replace(ALERT, state="closed"), {}).id
    others = [replace(ALERT, incident_id="i2"), replace(ALERT, service="web"), replace(ALERT, region="us-east1")]
    assert len({record().id, record().change_id, *(record_of(other, {}).id for other in others)}) == 5


def test_the_timeline_tells_what_happened_in_order() -> None:
    """Alert, decision, shift and how it ended; the same twice is said once."""
    found = asked().verified()
    assert [line.type for line in found.lines] == ["alert", "decided", "shifting", "shifted"]
    assert found.with_line("shifting", "all traffic to api-1") == found
    assert "api-2 is marked failed" in found.lines[-1].text


def test_a_later_notification_goes_on_with_what_was_written() -> None:
    """Its line is added, what was decided stays, and closed is for ever."""
    closed = record_of(replace(ALERT, state="closed", summary="back to normal"), {}).after(asked().verified())
    assert closed.state == "closed"
    assert [line.type for line in closed.lines] == ["alert", "decided", "shifting", "shifted", "closed"]
    assert closed.target == "api-1"
    assert record().after(closed).state == "closed"
    assert record().after(closed).lines == closed.lines


def test_nothing_to_do_is_nothing_to_say() -> None:
    """Neither before the decision nor after one that does nothing."""
    assert record().message() is None
    assert record().decided(Decision("none", "closed", "the incident is closed")).message() is None


def test_people_are_told_how_a_rollback_goes_on() -> None:
    """One message brought up to date: working, then done or trouble with what to type."""
    going, done, failed = said(asked()), said(asked().verified()), said(asked().failed("it went elsewhere"))
    assert (going.status, going.title) == ("working", "api: sending all traffic to api-1")
    assert (done.status, done.title) == ("done", "api: rolled back to api-1")
    assert (failed.status, failed.title) == ("trouble", "api: the traffic did not go to api-1")
    assert any(command.startswith("sight ops rollback api") for command in failed.commands)
    assert not any(command.startswith("sight ops rollback") for command in done.commands)
    assert ("at fault", "api-2") in done.facts
    assert ("takes over", "api-1") in done.facts
    assert done.url == "https://example.com/i1"


def test_people_are_told_what_was_left_to_them() -> None:
    """Trouble until the incident closes, and a dry run is said to be one."""
    left = record().decided(Decision("notify", "paused", "automation is paused for api"))
    assert (said(left).status, said(left).title) == ("trouble", "api: too many errors")
    assert said(left).text == "automation is paused for api"
    assert said(replace(left, state="closed")).status == "done"
    dry = said(record().decided(replace(ROLL_BACK, dry_run=True)))
    assert (dry.status, dry.title) == ("trouble", "api: would roll back to api-1 (dry run)")
    assert any("nothing is moved" in line for line in dry.lines)


def test_what_was_done_by_hand_says_by_whom() -> None:
    """In the title and in the timeline."""
    found = record_of(replace(ALERT, summary="checkout is broken"), {}, actor="ada").decided(ROLL_BACK)
    message = said(found.asking(BEFORE, AFTER).verified())
    assert message.title == "api: rolled back to api-1 by ada"
    assert message.lines[0].endswith("by_hand: ada: checkout is broken")
