"""The whole pipeline with Pub/Sub, played by its official emulator, carrying the events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.e2e import records
from tests.e2e.lab import Lab, lab


@pytest.fixture
def pubsub(pubsub_emulator: str) -> Iterator[Lab]:
    """A stack with the simulated model in a Google Cloud project of its own."""
    settings = {
        "SIGHT_BUS": "pubsub",
        "PUBSUB_EMULATOR_HOST": pubsub_emulator,
        "GOOGLE_CLOUD_PROJECT": f"pipeline-{uuid.uuid4().hex[:12]}",
        "SIGHT_LLM": "simulated",
    }
    with lab(settings) as running:
        yield running


def test_a_study_runs_through_pubsub(pubsub: Lab) -> None:
    """A panel, its review, a group of each mode and their summaries are made by what Pub/Sub pushes."""
    panel = pubsub.finished(pubsub.new_panel(4, seed=1))
    groups = [
        pubsub.finished(pubsub.group(panel["id"], about="oat drinks", questions=2, mode=mode))
        for mode in ("interview", "discussion")
    ]
    assert [job["items"]["done"] for job in (panel, *groups)] == [4, 8, 8]
    pubsub.settle()
    for job in (panel, *groups):
        assert job["state"] == "completed"
        records.check_job(pubsub.engine, job["id"])
    for group in groups:
        pubsub.job_when(group, lambda job: pubsub.read(f"/focus-groups/{job['subject_id']}/summary")["report"])
    assert pubsub.read("/dead-letters")["items"] == []
