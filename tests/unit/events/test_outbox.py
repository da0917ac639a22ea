"""Tests of events as the bus carries them."""

from __future__ import annotations

import json
from uuid import UUID

from common.events.models import EVENT, AnswerRequested
from common.events.outbox import Pending

WORKSPACE, JOB, ITEM = UUID(int=1), UUID(int=2), UUID(int=3)
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def pending(traceparent: str = "") -> Pending:
    """An event that waits to be published."""
    event = AnswerRequested(workspace_id=WORKSPACE, job_id=JOB, item_id=ITEM, traceparent=traceparent)
    return Pending(UUID(int=4), "sight-answers", event.model_dump(mode="json"), "key")


def test_a_message_is_the_event_as_json() -> None:
    """Who receives it reads the very event, and the ordering key goes along."""
    row = pending()
    message = row.message()
    assert EVENT.validate_json(message.data) == AnswerRequested.model_validate(row.event)
    assert message.ordering_key == "key"
    assert json.loads(message.data)["item_id"] == str(ITEM)


def test_attributes_repeat_what_filters_need() -> None:
    """Type and workspace always, the trace where there is one."""
    expected = {"type": "sight.answer.requested.v1", "workspace_id": str(WORKSPACE)}
    assert pending().message().attributes == expected
    assert pending(TRACE).message().attributes == expected | {"traceparent": TRACE}
