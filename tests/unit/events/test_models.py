"""Tests of how events and commands are read."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from common.events.commands import COMMAND
from common.events.models import EVENT, JobAccepted, RoundCompleted

ACCEPTED: dict[str, Any] = {
    "id": str(UUID(int=1)),
    "type": "sight.job.accepted.v1",
    "workspace_id": str(UUID(int=2)),
    "job_id": str(UUID(int=3)),
}


def test_the_type_says_which_event_it_is() -> None:
    """Events of all types are read by one reader."""
    assert isinstance(EVENT.validate_json(json.dumps(ACCEPTED)), JobAccepted)
    completed = ACCEPTED | {"type": "sight.round.completed.v1", "round": 2}
    found = EVENT.validate_json(json.dumps(completed))
    assert isinstance(found, RoundCompleted)
    assert found.round == 2


@pytest.mark.parametrize(
    "change",
    [
        {"type": "sight.job.accepted.v2"},
        {"type": None},
        {"job_id": "7"},
        {"workspace_id": None},
        {"surprise": 1},
        {"type": "sight.round.completed.v1", "round": -1},
        {"type": "sight.round.completed.v1"},
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, Any]) -> None:
    """Unknown types and versions, unknown fields, and values out of range."""
    with pytest.raises(ValidationError):
        EVENT.validate_json(json.dumps(ACCEPTED | change))


def test_events_are_told_apart_by_their_id() -> None:
    """Each event made is another one; one that comes again is the same."""
    one = JobAccepted(workspace_id=UUID(int=2), job_id=UUID(int=3))
    other = JobAccepted(workspace_id=UUID(int=2), job_id=UUID(int=3))
    assert one.id != other.id
    assert EVENT.validate_json(one.model_dump_json()) == one


def test_a_command_needs_an_id_of_its_senders() -> None:
    """Without one a repeat could not be told, so that none is made up."""
    with pytest.raises(ValidationError, match="id"):
        COMMAND.validate_json(json.dumps({"type": "sight.job.cancel.v1", "job_id": str(UUID(int=3))}))
