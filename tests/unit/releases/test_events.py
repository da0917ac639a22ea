"""The events of releases."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from common.ids import new_id
from common.releases.events import RELEASE, ReleaseDeployed, ReleaseRecorded, ReleaseStepDue


@pytest.mark.parametrize("named", [{"revision": "api-2"}, {"tag": "candidate"}, {"revision": "api-2", "tag": "x"}])
def test_a_pipeline_names_a_revision_by_what_it_has(named: dict[str, str]) -> None:
    """Its name, its tag, or both."""
    sent = {"type": "sight.release.deployed.v1", "service": "api", "region": "europe-central2", **named}
    found = RELEASE.validate_json(json.dumps(sent))
    assert isinstance(found, ReleaseDeployed)
    assert found.model_dump(exclude={"id"}, exclude_none=True) == sent


@pytest.mark.parametrize(
    "sent",
    [
        {"type": "sight.release.deployed.v1", "service": "api", "region": "europe-central2"},
        {"type": "sight.release.deployed.v1", "service": "", "region": "europe-central2", "tag": "x"},
        {"type": "sight.release.deployed.v1", "service": "api", "region": "r", "tag": "x", "url": "https://evil"},
        {"type": "sight.release.step.v1", "release_id": "1", "step": 1},
        {"type": "sight.release.step.v1", "release_id": str(new_id()), "step": -1},
        {"type": "sight.release.recorded.v1", "record": "text"},
        {"type": "sight.release.deployed.v2", "service": "api", "region": "r", "tag": "x"},
    ],
)
def test_what_is_no_event_is_refused(sent: dict[str, object]) -> None:
    """An address above all: where a revision is tried is never read from an event."""
    with pytest.raises(ValidationError):
        RELEASE.validate_json(json.dumps(sent))


@pytest.mark.parametrize(
    "event",
    [
        ReleaseDeployed(service="api", region="r", tag="x"),
        ReleaseStepDue(release_id=new_id(), step=3),
        ReleaseRecorded(record={"incident_id": "1"}),
    ],
)
def test_events_are_read_as_they_were_written(event: ReleaseDeployed | ReleaseStepDue | ReleaseRecorded) -> None:
    """With their ids."""
    assert RELEASE.validate_json(event.model_dump_json()) == event
